/* SPDX-License-Identifier: Apache-2.0 */
/* WorkingDir of an image's configuration, and the directory /work, in which a job has its files.
 * Commands of jobs run in /work. The image's own command (Entrypoint and Cmd) runs in WorkingDir, as
 * it does elsewhere, if the image has files there. A WorkingDir without files is a place to which
 * users mount theirs, so the command runs in /work then. */
#ifndef PE_IMAGE_WORKING_DIR_H
#define PE_IMAGE_WORKING_DIR_H

#include "base/error.h"
#include "image/flatten.h"

#include <jansson.h>
#include <limits.h>

struct working_dir {
    char path[PATH_MAX];    /* WorkingDir; "/" when there is none */
    char program[PATH_MAX]; /* where the command's program is, if its name is relative to WorkingDir; "" when
                               it is a name without a slash or an absolute path */
};

/* Read the working directory and the command of the fields of a catalog entry. */
void working_dir_read(const json_t *fields, struct working_dir *directory);

/* Set the fields by what the image has at `directory->path` and at `directory->program`: remove
 * `working_dir` if the image's command is to run in /work, and in this case make the relative name of
 * a program of the image absolute. PE_ERR_INTERNAL without memory. */
int working_dir_apply(const struct working_dir *directory, enum flatten_found path,
                      enum flatten_found program, json_t *fields, struct pe_error *err) PE_MUST_CHECK;

#endif
