/* SPDX-License-Identifier: Apache-2.0 */
/* Watching files for changes. The directories are scanned again after every event, so that files
 * which editors replace by renaming and new directories are found. inotify(7) only tells when to
 * scan. It does not report changes that other machines make on a shared file system. */
#ifndef PE_CLI_WATCH_H
#define PE_CLI_WATCH_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct watch {
    int fd;
    char **paths;       /* from the command line, NULL-terminated; the array is owned, the texts are not */
    struct pe_buf seen; /* the last scan: one line per file, with its inode, size and time */
    uint64_t first_us, last_us; /* times of the events since the last scan; 0: none */
};

#define WATCH_MORE_MAX 4u

/* Watch the files and directories at `paths`, with everything below them. `more` has further paths, as many
 * as there are in front of the first NULL. The paths must outlive `watch`. PE_ERR_INTERNAL when inotify
 * cannot be used, or without memory. The caller frees `watch` with watch_close, also after a failure. */
int watch_open(struct watch *watch, char *const *paths, size_t count, const char *const more[WATCH_MORE_MAX],
               struct pe_error *err) PE_MUST_CHECK;
/* Stop watching and free everything. */
void watch_close(struct watch *watch);

/* Record the baseline that later changes are compared with. Call this before the files are read.
 * PE_ERR_TOO_LARGE for too many files or directories, PE_ERR_INTERNAL when one cannot be watched, or without
 * memory. */
int watch_begin(struct watch *watch, struct pe_error *err) PE_MUST_CHECK;

/* PE_ERR_CANCELED, naming the file, when a file differs from the baseline and there were no further
 * events for 100 ms (or for 2 s in total). Errors of watch_begin otherwise. */
int watch_check(struct watch *watch, struct pe_error *err) PE_MUST_CHECK;

/* Wait for events: up to a second, or up to 50 ms when events are pending. A signal ends the
 * wait. */
void watch_pause(const struct watch *watch);

#endif
