/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a host that joins. They are written completely to a hidden folder, and then appear under their
 * own names as second links to the same files. Until the folder is removed, all of it can be undone, also
 * after this process was killed: what is the same file as one in the folder came from there. What the file
 * system refuses is PE_ERR_INTERNAL, with the path. */
#ifndef PE_WORKER_JOIN_FILES_H
#define PE_WORKER_JOIN_FILES_H

#include "base/buffer.h"
#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define JOIN_TOKEN_SIZE 80u /* with the NUL */

enum join_file { JOIN_TOKEN, JOIN_CA, JOIN_SETTINGS, JOIN_UNIT, JOIN_FILE_COUNT };

struct join_files {
    const char *settings; /* the folder of settings, /etc/program-explorer */
    const char *units;    /* where a unit is written if the system has none */
    char stage[PATH_MAX]; /* the hidden folder */
    int lock;             /* descriptor of that folder, open until this process ends */
    bool has[JOIN_FILE_COUNT];
};

/* Undo what an earlier attempt left, and check that this host has not joined yet: PE_ERR_INVALID names the
 * file that is in the way, and PE_ERR_BUSY means that another process does the same at this moment. An
 * earlier attempt may have told the balancer its token: `token` is then that one, otherwise a new one. */
int join_files_begin(struct join_files *files, const char *settings, const char *units,
                     char token[JOIN_TOKEN_SIZE], struct pe_error *err) PE_MUST_CHECK;

/* Write a file to the hidden folder, so that it is on the disk. Only its owner can read it, except for
 * JOIN_CA and JOIN_UNIT. */
int join_files_add(struct join_files *files, enum join_file file, const void *text, size_t size,
                   struct pe_error *err) PE_MUST_CHECK;

/* The path under which a file appears. */
void join_files_path(const struct join_files *files, enum join_file file, char path[PATH_MAX]);

/* Let all files appear. After a failure, some have; join_files_undo removes them. */
int join_files_publish(const struct join_files *files, struct pe_error *err) PE_MUST_CHECK;

/* Remove what has appeared, and the hidden folder. */
void join_files_undo(const struct join_files *files);

/* Keep what has appeared: remove only the hidden folder. */
void join_files_keep(const struct join_files *files);

#endif
