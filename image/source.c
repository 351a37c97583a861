/* SPDX-License-Identifier: Apache-2.0 */
/* Directories and archives. image/oci.c interprets their files. */
#include "image/source.h"

#include "base/cleanup.h"
#include "base/io.h"
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

/* ---- archives ---- */

static void cleanup_archive(struct archive **archive)
{
    if (*archive)
        archive_read_free(*archive);
}
#define autoarchive __attribute__((cleanup(cleanup_archive)))

static int fail_archive(struct archive *archive, const char *name, struct pe_error *err)
{
    const char *why = archive_error_string(archive);
    return pe_fail(err, PE_ERR_MALFORMED, "%s: %s", name, why ? why : "not a tar archive");
}

static struct archive *open_archive(int fd, const char *name, struct pe_error *err)
{
    autoarchive struct archive *archive = archive_read_new();
    if (!archive || lseek(fd, 0, SEEK_SET) < 0) {
        pe_fail_errno(err, "cannot read %s", name);
        return NULL;
    }
    int worst = archive_read_support_format_tar(archive);
    worst |= archive_read_support_format_empty(archive);
    worst |= archive_read_support_filter_gzip(archive);
    worst |= archive_read_support_filter_zstd(archive);
    worst |= archive_read_support_filter_bzip2(archive);
    worst |= archive_read_support_filter_xz(archive);
    worst |= archive_read_support_filter_lzma(archive);
    worst |= archive_read_support_filter_lz4(archive);
    worst |= archive_read_support_filter_compress(archive);
    if (worst != ARCHIVE_OK || archive_read_open_fd(archive, fd, READ_BYTES) != ARCHIVE_OK) {
        (void)fail_archive(archive, name, err);
        return NULL;
    }
    return pe_steal_ptr(&archive);
}

static bool is_hex(const char *text, size_t size)
{
    return size == 64 && strspn(text, "0123456789abcdef") >= 64;
}

/* True if the first component of a path is one that only archives of images have. */
static bool belongs_to_image(const char *path)
{
    static const char *const names[] = {"oci-layout", "index.json", "manifest.json", "repositories", "blobs"};
    size_t size = strcspn(path, "/");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (size == strlen(names[i]) && !memcmp(path, names[i], size))
            return true;
    /* docker save writes a directory per layer and the configuration as <hex>.json; skopeo writes
     * <hex>.tar. */
    const char *dot = memchr(path, '.', size);
    return is_hex(path, dot ? (size_t)(dot - path) : size) &&
           (!dot || !strcmp(dot, ".json") || !strcmp(dot, ".tar"));
}

int source_is_image_archive(int fd, const char *name, struct pe_error *err)
{
    autoarchive struct archive *archive = open_archive(fd, name, err);
    if (!archive)
        return -1;
    struct archive_entry *entry = NULL;
    bool found = false;
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        char path[PATH_MAX];
        int got = archive_read_next_header(archive, &entry);
        if (got == ARCHIVE_EOF)
            return found;
        if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
            return fail_archive(archive, name, err);
        struct pe_error ignored;
        const char *name_in_tar = archive_entry_pathname(entry);
        if (!name_in_tar || tree_clean_path(name_in_tar, path, &ignored) < 0)
            return 0;
        if (*path && !belongs_to_image(path))
            return 0;
        found |= !strcmp(path, "manifest.json") || !strcmp(path, "oci-layout") || !strcmp(path, "index.json");
    }
    return 0;
}

/* ---- spooling ---- */

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
            return fail_archive(spooling->archive, spooling->name, err);
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
    autoarchive struct archive *archive = open_archive(fd, name, err);
    if (!archive)
        return -1;
    struct spooling spooling = {archive, name, source, bytes_max};
    for (;;) {
        struct archive_entry *entry = NULL;
        int got = archive_read_next_header(archive, &entry);
        if (got == ARCHIVE_EOF)
            return 0;
        if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
            return fail_archive(archive, name, err);
        if (spool_member(&spooling, entry, err) < 0)
            return pe_fail_context(err, "%s", name);
    }
}

/* ---- files ---- */

/* The number of a member after following links, or -1. Of several members with one name the last
 * one counts. `wanted` may be written as the archive writes its names, as in "/layer.tar". */
static ssize_t find_member(const struct source *source, const char *wanted)
{
    char name_buffer[PATH_MAX];
    const char *name = name_buffer;
    struct pe_error ignored;
    if (tree_clean_path(wanted, name_buffer, &ignored) < 0)
        return -1;
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
    char number[32];
    const char *file = name;
    if (source->spooled) {
        ssize_t at = find_member(source, name);
        if (at < 0)
            return pe_fail(err, PE_ERR_NOT_FOUND, "the image has no file %s", name);
        snprintf(number, sizeof number, "%zd", at);
        file = number;
    } else if (name[0] == '/' || strstr(name, ".."))
        return pe_fail(err, PE_ERR_INVALID, "the file name %s is not allowed in an image", name);
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
