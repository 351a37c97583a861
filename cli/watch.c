/* SPDX-License-Identifier: Apache-2.0 */
/* Scanning the watched files, and comparing the scan with the baseline. */
#include "cli/watch.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "proto/limits.h"
#include "proto/path.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

/* Files are often written in pieces, and builds touch many files. Wait until QUIET_US have passed
 * without an event, but no longer than UNQUIET_US after the first one. */
#define QUIET_US 100000u
#define UNQUIET_US 2000000u
#define DIRECTORIES_MAX 1024
#define SEEN_BYTES_MAX (4 * PE_MIB)

/* A new file is complete when its writer closes it, so IN_CREATE matters only for directories. */
#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_MOVE_SELF)

/* State of one scan. */
struct walk {
    struct watch *watch;
    struct pe_buf *seen;
    size_t files, directories;
    struct stat own[2]; /* stdout and stderr of this process: writing to them is not a change */
};

int watch_open(struct watch *watch, char *const *paths, size_t count, const char *const more[WATCH_MORE_MAX],
               struct pe_error *err)
{
    *watch = (struct watch){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    if (watch->fd < 0)
        return pe_fail_errno(err, "cannot use inotify");
    watch->paths = calloc(count + WATCH_MORE_MAX + 1, sizeof *watch->paths);
    if (!watch->paths)
        return pe_fail_errno(err, "out of memory for the list of files");
    memcpy(watch->paths, paths, count * sizeof *paths);
    for (size_t i = 0; i < WATCH_MORE_MAX && more[i]; i++)
        watch->paths[count + i] = (char *)more[i];
    return 0;
}

void watch_close(struct watch *watch)
{
    if (watch->fd >= 0)
        close(watch->fd);
    free(watch->paths);
    pe_buf_free(&watch->seen);
    *watch = (struct watch){.fd = -1};
}

/* ---- scanning ---- */

static int add_directory(struct walk *walk, const char *path, struct pe_error *err)
{
    if (++walk->directories > DIRECTORIES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "--watch can watch at most %d directories: give fewer files",
                       DIRECTORIES_MAX);
    if (inotify_add_watch(walk->watch->fd, path, EVENTS) >= 0 || errno == ENOENT || errno == ENOTDIR)
        return 0;
    if (errno == ENOSPC)
        return pe_fail(
            err, PE_ERR_INTERNAL,
            "too many directories are watched on this machine: increase sysctl fs.inotify.max_user_watches");
    return pe_fail_errno(err, "cannot watch %s", path);
}

static int add_parent(struct walk *walk, const char *path, struct pe_error *err)
{
    const char *slash = strrchr(path, '/');
    pe_autofree char *parent = slash == path ? strdup("/")
                               : slash       ? strndup(path, (size_t)(slash - path))
                                             : strdup(".");
    return parent ? add_directory(walk, parent, err) : pe_fail_errno(err, "out of memory for %s", path);
}

static bool is_own(const struct walk *walk, const struct stat *info)
{
    for (size_t i = 0; i < 2; i++)
        if (walk->own[i].st_ino == info->st_ino && walk->own[i].st_dev == info->st_dev)
            return true;
    return false;
}

static int add_file(struct walk *walk, const FTSENT *entry, struct pe_error *err)
{
    const struct stat *info = entry->fts_statp;
    if (entry->fts_level == FTS_ROOTLEVEL && add_parent(walk, entry->fts_path, err) < 0)
        return -1;
    if (is_own(walk, info))
        return 0;
    if (++walk->files > PE_INPUT_FILES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "a job may have at most %u input files", PE_INPUT_FILES_MAX);
    return pe_buf_printf(walk->seen, err, "%s\t%llu %lld %lld.%09ld\n", entry->fts_path,
                         (unsigned long long)info->st_ino, (long long)info->st_size,
                         (long long)info->st_mtim.tv_sec, info->st_mtim.tv_nsec);
}

static int visit(struct walk *walk, const FTSENT *entry, struct pe_error *err)
{
    switch (entry->fts_info) {
    case FTS_D:
        return add_directory(walk, entry->fts_path, err);
    case FTS_F:
        return add_file(walk, entry, err);
    case FTS_NS: /* an editor is just replacing the file */
        return entry->fts_level == FTS_ROOTLEVEL ? add_parent(walk, entry->fts_path, err) : 0;
    default:
        return 0;
    }
}

static int by_name(const FTSENT **left, const FTSENT **right)
{
    return strcmp((*left)->fts_name, (*right)->fts_name);
}

static void close_walk(FTS **tree)
{
    if (*tree)
        fts_close(*tree);
}

/* Watch all directories that exist now, and write the state of all files to `seen`. */
static int scan(struct watch *watch, struct pe_buf *seen, struct pe_error *err)
{
    struct walk walk = {.watch = watch, .seen = seen};
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (fstat(fd, &walk.own[fd - STDOUT_FILENO]) < 0)
            walk.own[fd - STDOUT_FILENO] = (struct stat){0};
    __attribute__((cleanup(close_walk))) FTS *tree =
        fts_open(watch->paths, FTS_COMFOLLOW | FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    if (!tree)
        return pe_fail_errno(err, "cannot scan the watched files");
    const FTSENT *entry;
    while ((entry = fts_read(tree)))
        if (visit(&walk, entry, err) < 0)
            return -1;
    return 0;
}

int watch_begin(struct watch *watch, struct pe_error *err)
{
    pe_buf_free(&watch->seen);
    watch->seen = (struct pe_buf){.limit = SEEN_BYTES_MAX};
    watch->first_us = watch->last_us = 0;
    return scan(watch, &watch->seen, err);
}

/* ---- changes ---- */

static void read_events(struct watch *watch)
{
    _Alignas(struct inotify_event) char bytes[4096];
    ssize_t n;
    while ((n = read(watch->fd, bytes, sizeof bytes)) > 0) {
        const struct inotify_event *event;
        for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof *event + event->len)) {
            event = (const struct inotify_event *)(bytes + at);
            if ((event->mask & IN_CREATE) && !(event->mask & IN_ISDIR))
                continue;
            watch->last_us = pe_now_us();
            if (!watch->first_us)
                watch->first_us = watch->last_us;
        }
    }
}

static size_t line_start(const struct pe_buf *text, size_t at)
{
    while (at > 0 && text->data[at - 1] != '\n')
        at--;
    return at;
}

/* Fail with the name of the file on the first line that differs. A line that only `before` has is a
 * removed file. */
static int fail_changed(const struct pe_buf *before, const struct pe_buf *now, struct pe_error *err)
{
    size_t same = 0, common = before->size < now->size ? before->size : now->size;
    char shown[256];
    while (same < common && before->data[same] == now->data[same])
        same++;
    const struct pe_buf *text = same < now->size ? now : before;
    const char *line = (const char *)text->data + line_start(text, same);
    const char *tab = memchr(line, '\t', (size_t)((const char *)text->data + text->size - line));
    return pe_fail(err, PE_ERR_CANCELED, "%s has changed",
                   pe_path_printable(line, tab ? (size_t)(tab - line) : 0, shown, sizeof shown));
}

int watch_check(struct watch *watch, struct pe_error *err)
{
    pe_autobuf struct pe_buf now = {.limit = SEEN_BYTES_MAX};
    read_events(watch);
    uint64_t time = pe_now_us();
    if (!watch->first_us || (time - watch->last_us < QUIET_US && time - watch->first_us < UNQUIET_US))
        return 0;
    watch->first_us = 0;
    if (scan(watch, &now, err) < 0)
        return -1;
    if (now.size == watch->seen.size && (now.size == 0 || !memcmp(now.data, watch->seen.data, now.size)))
        return 0;
    return fail_changed(&watch->seen, &now, err);
}

void watch_pause(const struct watch *watch)
{
    struct pollfd events = {.fd = watch->fd, .events = POLLIN};
    poll(&events, 1, watch->first_us ? (int)(QUIET_US / 2000) : 1000);
}
