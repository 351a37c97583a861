/* Files that may change: which they are is looked up anew each time, so that files which editors replace by
 * renaming and directories which appear are seen. inotify(7) only says when to look; changes that other
 * machines make on a shared file system are not noticed. */
#ifndef PE_CLI_WATCH_H
#define PE_CLI_WATCH_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct watch {
    int fd;
    char **paths; /* as the user named them, NULL-terminated; owned, the texts are not */
    struct pe_buf seen;
    uint64_t first_us, last_us; /* of the events that are not looked into yet; 0: none */
};

/* Watch files and directories, and below. `extra` is one more path, or NULL. */
int watch_open(struct watch *watch, char *const *paths, size_t count, const char *extra,
               struct pe_error *err) PE_MUST_CHECK;
void watch_close(struct watch *watch);

/* How the files are now is what changes are looked for against. To be called before they are read. */
int watch_begin(struct watch *watch, struct pe_error *err) PE_MUST_CHECK;

/* PE_ERR_CANCELED, naming the file, when something has changed and been quiet for a moment since. */
int watch_check(struct watch *watch, struct pe_error *err) PE_MUST_CHECK;

/* Wait up to a second for events, and a few milliseconds when some are to be looked into; a signal ends it.
 */
void watch_pause(const struct watch *watch);

#endif
