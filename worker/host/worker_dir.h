/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of a worker: those that survive it, and the run directory, which is removed with it. */
#ifndef PE_WORKER_HOST_WORKER_DIR_H
#define PE_WORKER_HOST_WORKER_DIR_H

#include "base/error.h"

#include <stddef.h>

/* What the programs of a host share, if they run as root. */
#define WORKER_DIR_HOST "/run/program-explorer"

/* Write the folder in which run directories usually are to `path`, and return it. It is short, because a
 * socket's path has at most 107 characters: WORKER_DIR_HOST for root, else a folder of the user. */
const char *worker_dir_usual(char *path, size_t size);

/* Create the run directory `base`/worker-<pid>, and `base` itself, and write its absolute path to `path`.
 * Run directories of workers that no longer exist are removed. The mode is 0711, because VMMs that
 * run as other users have sockets below it. Fails with PE_ERR_INTERNAL. */
int worker_dir_make(const char *base, char *path, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* Remove a folder with everything in it. What cannot be removed stays. */
void worker_dir_remove(const char *path);

/* Create a folder with mode 0700, and the folders above it with mode 0755. It is no error if it
 * exists. Fails with PE_ERR_INTERNAL. */
int worker_dir_ensure(const char *path, struct pe_error *err) PE_MUST_CHECK;

#endif
