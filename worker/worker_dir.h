/* Folders of a worker: one for what outlives it, one for what ends with it. */
#ifndef PE_WORKER_HOST_DIR_H
#define PE_WORKER_HOST_DIR_H

#include "base/error.h"

#include <stddef.h>

/* Make BASE/worker-<pid> (mode 0711: VMMs that run as others have sockets below it) and BASE itself, and
 * remove what workers that are no more have left in BASE. */
int worker_dir_make(const char *base, char *path, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* Remove it with everything in it. */
void worker_dir_remove(const char *path);

/* Make a folder and those above it, mode 0700; no error if it is there. */
int worker_dir_ensure(const char *path, struct pe_error *err) PE_MUST_CHECK;

#endif
