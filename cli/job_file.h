/* SPDX-License-Identifier: Apache-2.0 */
/* A job that a user has written as JSON: the file that --job names. It may come from somebody else, so no
 * file outside of its directory is sent because of what it says. */
#ifndef PE_CLI_JOB_FILE_H
#define PE_CLI_JOB_FILE_H

#include "base/error.h"
#include "cli/files.h"

#include <jansson.h>

/* Read the job at `path`; "-" reads this program's own standard input to its end. The content of its member
 * `files` is added to `files`, and the member removed. Every file that a stage or a case names in `stdin` or
 * `expect`, and that is not among `files`, is read from the directory of the job file, or from the current
 * one for "-", and added as well. Returns an object whose reference is the caller's, or NULL:
 * PE_ERR_INVALID for a text that is not JSON, and for a file that is missing, is no regular file, or is
 * outside of that directory, also by a symbolic link; errors of input_files_add. */
json_t *job_file_read(const char *path, struct input_files *files, struct pe_error *err) PE_MUST_CHECK;

#endif
