/* SPDX-License-Identifier: Apache-2.0 */
/* Directories and archives. image/oci.c interprets their files. */
#include "image/source.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "image/packed_tar.h"
#include "image/tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES 65536u
/* An image has a few hundred layers at most, and each consists of up to three files. */
#define MEMBERS_MAX 10000u
#define LINKS_MAX 8

void source_close(struct source *source)
{
    for (size_t i = 0; i < source->count; i++) {
        free(source->members[i].name);
        free(source->members[i].target);
    }
    free(source->members);
    pe_cleanup_close(&source->directory);
    *source = (struct source){.directory = -1};
}

int source_open_directory(const char *path, struct source *source, struct pe_error *err)
{
    *source = (struct source){.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    return source->directory >= 0 ? 0 : pe_fail_errno(err, "cannot open %s", path);
}

/* ---- spooling archives ---- */

struct spooling {
    struct archive *archive;
    const char *name;
    struct source *source;
    uint64_t bytes_left;
};

static int copy_content(struct spooling *spooling, size_t number, struct pe_error *err)
{
    char file[32];
    static char chunk[READ_BYTES];
    snprintf(file, sizeof file, "%zu", number);
    pe_autoclose int fd =
        openat(spooling->source->directory, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return pe_fail_errno(err, "cannot create a temporary file for a part of %s", spooling->name);
    for (;;) {
        la_ssize_t n = archive_read_data(spooling->archive, chunk, sizeof chunk);
        if (n < 0)
            return packed_tar_fail(spooling->archive, spooling->name, err);
        if (n == 0)
            return 0;
        if ((uint64_t)n > spooling->bytes_left)
            return pe_fail(err, PE_ERR_TOO_LARGE,
                           "%s unpacks to more bytes than an image may have; --max-mib sets the limit",
                           spooling->name);
        spooling->bytes_left -= (uint64_t)n;
        if (pe_write_all(fd, chunk, (size_t)n, spooling->name, err) < 0)
            return -1;
    }
}

/* Make a clean path of the target of the symbolic link `path`, by names only: for the link
 * "a/layer.tar" to "../b/layer.tar" it is "b/layer.tar". */
static int resolve_target(const char *path, const char *target, char clean[PATH_MAX], struct pe_error *err)
{
    char joined[2 * PATH_MAX];
    const char *slash = strrchr(path, '/');
    int folder = slash && target[0] != '/' ? (int)(slash - path) : 0;
    while (!strncmp(target, "../", 3) && folder > 0) {
        target += 3;
        while (folder > 0 && path[--folder] != '/')
            ;
    }
    snprintf(joined, sizeof joined, "%.*s/%s", folder, path, target);
    return tree_clean_path(folder ? joined : joined + 1, clean, err);
}

static int add_member(struct spooling *spooling, const char *path, const char *target, struct pe_error *err)
{
    struct source *source = spooling->source;
    if (source->count >= MEMBERS_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "%s has more than %u files, too many for an image",
                       spooling->name, MEMBERS_MAX);
    struct source_member *members = reallocarray(source->members, source->count + 1, sizeof *source->members);
    if (!members)
        return pe_fail_errno(err, "%s: out of memory", spooling->name);
    source->members = members;
    struct source_member *member = &members[source->count++];
    *member = (struct source_member){.name = strdup(path), .target = target ? strdup(target) : NULL};
    return member->name && (!target || member->target)
               ? 0
               : pe_fail_errno(err, "%s: out of memory", spooling->name);
}

static int spool_member(struct spooling *spooling, struct archive_entry *entry, struct pe_error *err)
{
    char path[PATH_MAX], target[PATH_MAX];
    const char *name_in_tar = archive_entry_pathname(entry), *hard = archive_entry_hardlink(entry);
    if (!name_in_tar)
        return pe_fail(err, PE_ERR_INVALID, "the name of a member cannot be read");
    if (tree_clean_path(name_in_tar, path, err) < 0)
        return -1;
    if (hard)
        return tree_clean_path(hard, target, err) < 0 ? -1 : add_member(spooling, path, target, err);
    if (archive_entry_filetype(entry) == S_IFLNK && archive_entry_symlink(entry))
        return resolve_target(path, archive_entry_symlink(entry), target, err) < 0
                   ? -1
                   : add_member(spooling, path, target, err);
    if (archive_entry_filetype(entry) != S_IFREG)
        return 0;
    size_t number = spooling->source->count;
    return add_member(spooling, path, NULL, err) < 0 ? -1 : copy_content(spooling, number, err);
}

int source_spool_archive(int fd, const char *name, const char *spool, uint64_t bytes_max,
                         struct source *source, struct pe_error *err)
{
    *source = (struct source){.directory = -1, .spooled = true};
    if (mkdir(spool, 0700) < 0)
        return pe_fail_errno(err, "cannot create %s", spool);
    source->directory = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source->directory < 0)
        return pe_fail_errno(err, "cannot open %s", spool);
    pe_autotar struct archive *archive = packed_tar_open(fd, name, err);
    if (!archive)
        return -1;
    struct spooling spooling = {archive, name, source, bytes_max};
    struct archive_entry *entry = NULL;
    for (;;) {
        int got = packed_tar_next(archive, name, bytes_max, &entry, err);
        if (got <= 0)
            return got;
        if (spool_member(&spooling, entry, err) < 0)
            return pe_fail_context(err, "%s", name);
    }
}

/* ---- files ---- */

/* The number of a member after following links, or -1. Of several members with one name the last
 * one counts. */
static ssize_t find_member(const struct source *source, const char *name)
{
    for (int links = 0; links < LINKS_MAX; links++) {
        ssize_t at = (ssize_t)source->count - 1;
        while (at >= 0 && strcmp(source->members[at].name, name) != 0)
            at--;
        if (at < 0 || !source->members[at].target)
            return at;
        name = source->members[at].target;
    }
    return -1;
}

int source_open_file(const struct source *source, const char *name, uint64_t *size, struct pe_error *err)
{
    char number[32], clean[PATH_MAX];
    const char *file = clean;
    /* Documents may write a name in another way than the archive, as in "/layer.tar". */
    if (tree_clean_path(name, clean, err) < 0)
        return -1;
    if (source->spooled) {
        ssize_t at = find_member(source, clean);
        if (at < 0)
            return pe_fail(err, PE_ERR_NOT_FOUND, "the image has no file %s", name);
        snprintf(number, sizeof number, "%zd", at);
        file = number;
    }
    struct stat info;
    /* O_NONBLOCK, because opening a FIFO would block otherwise. */
    pe_autoclose int fd =
        openat(source->directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        return pe_fail(err, PE_ERR_NOT_FOUND, "the image has no file %s", name);
    if (fd < 0 || fstat(fd, &info) < 0)
        return pe_fail_errno(err, "cannot open %s", name);
    if (!S_ISREG(info.st_mode))
        return pe_fail(err, PE_ERR_INVALID, "%s is not a regular file", name);
    *size = (uint64_t)info.st_size;
    return pe_steal_fd(&fd);
}

int source_read_file(const struct source *source, const char *name, size_t limit, struct pe_buf *out,
                     struct pe_error *err)
{
    uint64_t size = 0;
    pe_autoclose int fd = source_open_file(source, name, &size, err);
    return fd < 0 ? -1 : pe_read_all(fd, limit, out, name, err);
}

bool source_has_file(const struct source *source, const char *name)
{
    struct pe_error ignored;
    uint64_t size = 0;
    pe_autoclose int fd = source_open_file(source, name, &size, &ignored);
    return fd >= 0;
}
