/* Members of a tar archive, by libarchive, into the tree and the squashfs writer. The archive may be hostile:
 * a name decides nothing before tree_clean_path has seen it. */
#include "image/tar.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES 65536u
#define REPORT_EVERY_US 2000000u

struct reading {
    struct archive *archive;
    const char *name;
    struct tree *tree;
    struct squash *squash;
    struct tar_counts *counts;
    uint64_t reported_us;
};

static void cleanup_archive(struct archive **archive)
{
    if (*archive)
        archive_read_free(*archive);
}

static int fail_archive(const struct reading *reading, struct pe_error *err)
{
    const char *why = archive_error_string(reading->archive);
    return pe_fail(err, archive_errno(reading->archive) == ENOMEM ? PE_ERR_INTERNAL : PE_ERR_MALFORMED,
                   "%s: %s", reading->name, why ? why : "not a tar archive");
}

static int open_archive(struct reading *reading, int fd, struct pe_error *err)
{
    struct archive *archive = reading->archive;
    /* Named one by one: "all" would include filters that start other programs. */
    int worst = archive_read_support_format_tar(archive);
    worst |= archive_read_support_filter_gzip(archive);
    worst |= archive_read_support_filter_bzip2(archive);
    worst |= archive_read_support_filter_xz(archive);
    worst |= archive_read_support_filter_lzma(archive);
    worst |= archive_read_support_filter_zstd(archive);
    worst |= archive_read_support_filter_lz4(archive);
    worst |= archive_read_support_filter_compress(archive);
    if (worst != ARCHIVE_OK || archive_read_open_fd(archive, fd, READ_BYTES) != ARCHIVE_OK)
        return fail_archive(reading, err);
    return 0;
}

static void report(struct reading *reading)
{
    uint64_t now = pe_now_us();
    if (now - reading->reported_us < REPORT_EVERY_US)
        return;
    reading->reported_us = now;
    fprintf(stderr, "pe-image: read %llu files, %llu MiB so far\n",
            (unsigned long long)reading->counts->files, (unsigned long long)(reading->counts->bytes >> 20));
}

/* What runs the job puts its own file systems there; what an archive has in them is a leftover. */
static bool is_below_api_mount(const char *path)
{
    static const char *const mounts[] = {"dev/", "proc/", "sys/"};
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++)
        if (!strncmp(path, mounts[i], strlen(mounts[i])))
            return true;
    return false;
}

static int owner_of(int64_t id, const char *path, uint32_t *out, struct pe_error *err)
{
    if (id < 0 || id >= UINT32_MAX)
        return pe_fail(err, PE_ERR_INVALID, "archive member '%s' has owner %lld", path, (long long)id);
    *out = (uint32_t)id;
    return 0;
}

static int attributes_of(struct archive_entry *entry, const char *path, struct tree_attributes *attributes,
                         struct pe_error *err)
{
    time_t mtime = archive_entry_mtime(entry);
    attributes->mode = archive_entry_filetype(entry) | (archive_entry_perm(entry) & 07777);
    attributes->mtime = mtime < 0 ? 0 : mtime > UINT32_MAX ? UINT32_MAX : (uint32_t)mtime;
    if (owner_of(archive_entry_uid(entry), path, &attributes->uid, err) < 0)
        return -1;
    return owner_of(archive_entry_gid(entry), path, &attributes->gid, err);
}

static int read_content(struct reading *reading, struct tree_inode *inode, struct pe_error *err)
{
    static uint8_t chunk[READ_BYTES];
    if (squash_begin_file(reading->squash, inode, err) < 0)
        return -1;
    for (;;) {
        la_ssize_t n = archive_read_data(reading->archive, chunk, sizeof chunk);
        if (n < 0)
            return fail_archive(reading, err);
        if (n == 0)
            break;
        if (squash_append(reading->squash, chunk, (size_t)n, err) < 0)
            return -1;
        reading->counts->bytes += (uint64_t)n;
        report(reading);
    }
    reading->counts->files++;
    return squash_end_file(reading->squash, err);
}

static int read_symlink(struct archive_entry *entry, struct tree_inode *inode, const char *path,
                        struct pe_error *err)
{
    const char *target = archive_entry_symlink(entry);
    if (!target || !*target || strlen(target) >= PATH_MAX)
        return pe_fail(err, PE_ERR_INVALID, "symbolic link '%s' has no target, or one of over 4095 bytes",
                       path);
    inode->target = strdup(target);
    return inode->target ? 0 : pe_fail_errno(err, "symbolic link '%s'", path);
}

static int read_member(struct reading *reading, struct archive_entry *entry, struct pe_error *err)
{
    char path[PATH_MAX], target[PATH_MAX];
    const char *said = archive_entry_pathname(entry);
    if (!said)
        return pe_fail(err, PE_ERR_INVALID, "%s: a member's name cannot be read", reading->name);
    if (tree_clean_path(said, path, err) < 0)
        return -1;
    if (is_below_api_mount(path))
        return 0;
    const char *link = archive_entry_hardlink(entry);
    if (link)
        return tree_clean_path(link, target, err) < 0 ? -1 : tree_link(reading->tree, path, target, err);
    mode_t type = archive_entry_filetype(entry);
    if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK) {
        reading->counts->dropped++;
        return 0;
    }
    struct tree_attributes attributes;
    struct tree_inode *inode = NULL;
    if (attributes_of(entry, path, &attributes, err) < 0 ||
        tree_put(reading->tree, path, &attributes, &inode, err) < 0)
        return -1;
    if (type == S_IFREG)
        return read_content(reading, inode, err);
    return type == S_IFLNK ? read_symlink(entry, inode, path, err) : 0;
}

int tar_read(int fd, const char *name, struct tree *tree, struct squash *squash, struct tar_counts *counts,
             struct pe_error *err)
{
    __attribute__((cleanup(cleanup_archive))) struct archive *archive = archive_read_new();
    if (!archive)
        return pe_fail_errno(err, "%s", name);
    struct reading reading = {.archive = archive,
                              .name = name,
                              .tree = tree,
                              .squash = squash,
                              .counts = counts,
                              .reported_us = pe_now_us()};
    *counts = (struct tar_counts){0};
    if (open_archive(&reading, fd, err) < 0)
        return -1;
    for (;;) {
        struct archive_entry *entry = NULL;
        int got = archive_read_next_header(archive, &entry);
        if (got == ARCHIVE_EOF)
            return 0;
        /* A warning is about metadata that we do not keep, or a name that is not UTF-8 and is then given as
         * it is. */
        if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
            return fail_archive(&reading, err);
        if (read_member(&reading, entry, err) < 0)
            return -1;
        report(&reading);
    }
}
