/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the tar of a layer with libarchive. The tar may be hostile. No name is used before
 * tree_clean_path has checked it and tree_resolve has placed it. */
#include "image/layer.h"

#include "base/cleanup.h"
#include "proto/path.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define AUFS_PRIVATE ".wh..wh." /* private files of AUFS, which Docker ignores, too */
/* XATTR_SIZE_MAX of linux/limits.h, and a number of attributes that no real image reaches. */
#define XATTR_BYTES_MAX 65536u
#define XATTRS_MAX 64u

struct reading {
    struct archive *archive;
    struct stream *stream;
    const char *name;
    struct tree *tree;
    struct layer_rules *rules;
    struct layer_plan *plan;
    struct layer_counts *counts;
    bool failed; /* `failure` is the error of the stream, which libarchive cannot pass on */
    struct pe_error failure;
};

void layer_plan_free(struct layer_plan *plan)
{
    free(plan->inodes);
    *plan = (struct layer_plan){0};
}

static void cleanup_reading(struct reading *reading)
{
    if (reading->archive)
        archive_read_free(reading->archive);
}

/* ---- the tar ---- */

static la_ssize_t on_read(struct archive *archive, void *data, const void **bytes)
{
    struct reading *reading = data;
    size_t size = 0;
    if (stream_next(reading->stream, bytes, &size, &reading->failure) == 0)
        return (la_ssize_t)size;
    reading->failed = true;
    archive_set_error(archive, EIO, "%s", reading->failure.message);
    return ARCHIVE_FATAL;
}

static int fail_archive(const struct reading *reading, struct pe_error *err)
{
    if (reading->failed) {
        *err = reading->failure;
        return -1;
    }
    const char *why = archive_error_string(reading->archive);
    return pe_fail(err, archive_errno(reading->archive) == ENOMEM ? PE_ERR_INTERNAL : PE_ERR_MALFORMED,
                   "%s: %s", reading->name, why ? why : "not a tar archive");
}

static int open_tar(struct reading *reading, struct pe_error *err)
{
    struct archive *archive = reading->archive = archive_read_new();
    if (!archive)
        return pe_fail_errno(err, "%s: out of memory", reading->name);
    if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
        archive_read_support_format_empty(archive) != ARCHIVE_OK ||
        archive_read_open(archive, reading, NULL, on_read, NULL) != ARCHIVE_OK)
        return fail_archive(reading, err);
    return 0;
}

/* Returns 1 for a member and 0 at the end. */
static int next_member(struct reading *reading, struct archive_entry **entry, struct pe_error *err)
{
    int got = archive_read_next_header(reading->archive, entry);
    if (got == ARCHIVE_EOF)
        return 0;
    /* A warning concerns metadata that is not kept, or a name that is not UTF-8 and is passed on
     * unchanged. */
    return got == ARCHIVE_OK || got == ARCHIVE_WARN ? 1 : fail_archive(reading, err);
}

/* ---- files ---- */

static int append(struct reading *reading, struct squashfs_image *squashfs, const void *bytes, size_t size,
                  struct pe_error *err)
{
    reading->counts->bytes += size;
    return squashfs_image_append(squashfs, bytes, size, err);
}

static int append_hole(struct reading *reading, struct squashfs_image *squashfs, uint64_t size,
                       struct pe_error *err)
{
    static const uint8_t zeroes[128 * 1024];
    while (size > 0) {
        size_t part = size < sizeof zeroes ? (size_t)size : sizeof zeroes;
        if (append(reading, squashfs, zeroes, part, err) < 0)
            return -1;
        size -= part;
    }
    return 0;
}

static int write_content(struct reading *reading, struct squashfs_image *squashfs, struct tree_inode *inode,
                         uint64_t size, struct pe_error *err)
{
    if (squashfs_image_begin_file(squashfs, inode, size, err) < 0)
        return -1;
    uint64_t written = 0;
    for (;;) {
        const void *bytes = NULL;
        size_t count = 0;
        la_int64_t offset = 0;
        int got = archive_read_data_block(reading->archive, &bytes, &count, &offset);
        if (got != ARCHIVE_EOF && got != ARCHIVE_OK && got != ARCHIVE_WARN)
            return fail_archive(reading, err);
        /* The offsets come from the sparse map of the archive and are not trusted. */
        uint64_t begin = got == ARCHIVE_EOF ? size : (uint64_t)offset;
        if (begin < written || begin > size || count > size - begin)
            return pe_fail(err, PE_ERR_MALFORMED, "%s: a file has data beyond its size", reading->name);
        if (append_hole(reading, squashfs, begin - written, err) < 0)
            return -1;
        if (got == ARCHIVE_EOF)
            break;
        if (append(reading, squashfs, bytes, count, err) < 0)
            return -1;
        written = begin + count;
    }
    reading->counts->files++;
    return squashfs_image_end_file(squashfs, err);
}

/* ---- first pass ---- */

/* The runtime mounts its own file systems on these directories, so their contents are not
 * needed. */
static bool is_below_api_mount(const char *path)
{
    static const char *const mounts[] = {"dev/", "proc/", "sys/"};
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++)
        if (!strncmp(path, mounts[i], strlen(mounts[i])))
            return true;
    return false;
}

static int refuse(const char *path, const char *why, struct pe_error *err)
{
    char shown[256];
    return pe_fail(err, PE_ERR_INVALID, "archive member '%s' %s",
                   pe_path_printable(path, strlen(path), shown, sizeof shown), why);
}

static int attributes_of(struct archive_entry *entry, const char *path, struct tree_attributes *attributes,
                         struct pe_error *err)
{
    time_t mtime = archive_entry_mtime(entry);
    int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);
    if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
        return refuse(path, "has an owner or group id that does not fit into 32 bits", err);
    *attributes = (struct tree_attributes){
        .mode = archive_entry_filetype(entry) | (archive_entry_perm(entry) & 07777),
        .uid = (uint32_t)uid,
        .gid = (uint32_t)gid,
        .mtime = mtime < 0            ? 0
                 : mtime > UINT32_MAX ? UINT32_MAX
                                      : (uint32_t)mtime,
    };
    if (S_ISCHR(attributes->mode) || S_ISBLK(attributes->mode)) {
        /* Linux's 32-bit encoding has 12 bits for the major and 20 bits for the minor number. */
        uint32_t high = (uint32_t)archive_entry_rdevmajor(entry),
                 low = (uint32_t)archive_entry_rdevminor(entry);
        if (high > 0xfff || low > 0xfffff)
            return refuse(path, "has a device number that Linux does not support", err);
        attributes->device = (low & 0xff) | high << 8 | (low & ~0xffu) << 12;
    }
    return 0;
}

static int read_symlink(struct archive_entry *entry, struct tree_inode *inode, const char *path,
                        struct pe_error *err)
{
    const char *target = archive_entry_symlink(entry);
    if (!target || !*target || strlen(target) >= PATH_MAX)
        return refuse(path, "is a symbolic link whose target is empty or longer than 4095 bytes", err);
    inode->target = strdup(target);
    return inode->target ? 0 : pe_fail_errno(err, "out of memory for the symbolic link '%s'", path);
}

/* True for attributes that are useful below an overlay file system and without privileges. The
 * names user.overlay.* would control the guest's overlay file system. Security labels and ACLs
 * belong to the machine on which they were set, and squashfs cannot store ACLs. */
static bool is_kept_xattr(const char *name)
{
    return !strcmp(name, "security.capability") ||
           (!strncmp(name, "user.", 5) && name[5] && strncmp(name, "user.overlay.", 13) != 0 &&
            strlen(name) <= 255);
}

static int read_xattrs(struct archive_entry *entry, struct tree_inode *inode, const char *path,
                       struct pe_error *err)
{
    const char *name = NULL;
    const void *value = NULL;
    size_t size = 0;
    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
        if (!is_kept_xattr(name))
            continue;
        if (size > XATTR_BYTES_MAX || inode->xattr_count >= XATTRS_MAX)
            return refuse(path, "has more than 64 extended attributes, or one larger than 64 KiB", err);
        if (tree_set_xattr(inode, name, value, size, err) < 0)
            return -1;
    }
    return 0;
}

static int plan_file(struct reading *reading, struct tree_inode *inode, struct pe_error *err)
{
    struct layer_plan *plan = reading->plan;
    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity ? 2 * plan->capacity : 1024;
        struct tree_inode **inodes = reallocarray(plan->inodes, capacity, sizeof *inodes);
        if (!inodes)
            return pe_fail_errno(err, "%s: out of memory for the list of files", reading->name);
        plan->inodes = inodes;
        plan->capacity = capacity;
    }
    plan->inodes[plan->count++] = inode;
    return 0;
}

/* Apply a whiteout. `*applied` is false when the name is not one. `path` is modified. */
static int read_whiteout(struct reading *reading, char *path, bool *applied, struct pe_error *err)
{
    char *slash = strrchr(path, '/');
    char *name = slash ? slash + 1 : path;
    *applied = reading->rules->whiteouts && !strncmp(name, WHITEOUT, strlen(WHITEOUT));
    if (!*applied)
        return 0;
    if (!strcmp(name, OPAQUE)) {
        *(slash ? slash : path) = '\0';
        return tree_hide_below(reading->tree, path, err);
    }
    if (!strncmp(name, AUFS_PRIVATE, strlen(AUFS_PRIVATE)))
        return 0;
    char *hidden = name + strlen(WHITEOUT);
    if (!*hidden || !strcmp(hidden, ".") || !strcmp(hidden, ".."))
        return refuse(path, "is a whiteout without a name", err);
    memmove(name, hidden, strlen(hidden) + 1);
    return tree_hide(reading->tree, path, err);
}

static int consume_size(struct reading *reading, struct archive_entry *entry, const char *path,
                        struct pe_error *err)
{
    int64_t size = archive_entry_size(entry);
    if (size < 0)
        return refuse(path, "has a negative size", err);
    if ((uint64_t)size > reading->rules->bytes_left)
        return pe_fail(
            err, PE_ERR_TOO_LARGE,
            "the files of the image have more bytes than an image may have; --max-mib sets the limit");
    reading->rules->bytes_left -= (uint64_t)size;
    return 0;
}

static int add_file(struct reading *reading, struct archive_entry *entry, const char *path,
                    struct tree_inode *inode, struct pe_error *err)
{
    const struct layer_rules *rules = reading->rules;
    if (consume_size(reading, entry, path, err) < 0)
        return -1;
    if (!rules->squashfs)
        return plan_file(reading, inode, err);
    return write_content(reading, rules->squashfs, inode, (uint64_t)archive_entry_size(entry), err);
}

/* Add a member that is neither a whiteout nor a hard link. */
static int add_member(struct reading *reading, struct archive_entry *entry, const char *path,
                      struct pe_error *err)
{
    mode_t type = archive_entry_filetype(entry);
    bool plain = type == S_IFREG || type == S_IFDIR || type == S_IFLNK;
    bool special = type == S_IFCHR || type == S_IFBLK || type == S_IFIFO || type == S_IFSOCK;
    if (!plain && !(special && reading->rules->keep_devices)) {
        reading->counts->dropped++;
        /* It still replaces what an earlier layer had there. */
        return tree_hide(reading->tree, path, err);
    }
    struct tree_attributes attributes;
    struct tree_inode *inode = NULL;
    if (attributes_of(entry, path, &attributes, err) < 0 ||
        tree_add(reading->tree, path, &attributes, &inode, err) < 0 ||
        read_xattrs(entry, inode, path, err) < 0)
        return -1;
    if (type == S_IFREG)
        return add_file(reading, entry, path, inode, err);
    return type == S_IFLNK ? read_symlink(entry, inode, path, err) : 0;
}

/* True if the second pass finds file contents here. Both passes must agree, so only the header
 * decides. */
static bool is_file(struct archive_entry *entry)
{
    return !archive_entry_hardlink(entry) && archive_entry_filetype(entry) == S_IFREG;
}

/* The place of a member or of a hard link's target in the tree. As in umoci and containerd, symbolic
 * links among the parents are followed inside the image, for example /lib of a Debian system, which
 * leads to usr/lib. The last component is what the member itself creates or replaces. */
static int place_of(struct tree *tree, const char *name, char place[PATH_MAX], struct pe_error *err)
{
    char path[PATH_MAX];
    return tree_clean_path(name, path, err) < 0 ? -1 : tree_resolve(tree, path, false, place, err);
}

static int apply_member(struct reading *reading, struct archive_entry *entry, char *path,
                        struct pe_error *err)
{
    char target[PATH_MAX];
    bool whiteout = false;
    const char *link = archive_entry_hardlink(entry);
    if (is_below_api_mount(path))
        return 0;
    int failed = read_whiteout(reading, path, &whiteout, err);
    if (failed || whiteout)
        return failed;
    if (!link)
        return add_member(reading, entry, path, err);
    return place_of(reading->tree, link, target, err) < 0 ? -1 : tree_link(reading->tree, path, target, err);
}

/* How many bytes the tree keeps of a member, apart from what every member has. */
static uint64_t metadata_of(struct archive_entry *entry, const char *name)
{
    const char *symlink = archive_entry_symlink(entry), *attribute = NULL;
    const void *value = NULL;
    uint64_t bytes = strlen(name) + (symlink ? strlen(symlink) : 0);
    size_t size = 0;
    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &attribute, &value, &size) == ARCHIVE_OK)
        bytes += is_kept_xattr(attribute) ? strlen(attribute) + size : 0;
    return bytes;
}

static int consume_metadata(struct reading *reading, struct archive_entry *entry, const char *name,
                            struct pe_error *err)
{
    uint64_t bytes = metadata_of(entry, name);
    if (bytes > reading->rules->metadata_left)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "%s: names, links and extended attributes of the image have more than %u MiB",
                       reading->name, LAYER_METADATA_MAX >> 20);
    reading->rules->metadata_left -= bytes;
    return 0;
}

static int scan_member(struct reading *reading, struct archive_entry *entry, struct pe_error *err)
{
    char path[PATH_MAX];
    const char *name = archive_entry_pathname(entry);
    if (!name)
        return pe_fail(err, PE_ERR_INVALID, "%s: the name of a member cannot be read", reading->name);
    if (reading->rules->members_left-- == 0)
        return pe_fail(err, PE_ERR_TOO_LARGE, "%s: the image has more than %u members", reading->name,
                       LAYER_MEMBERS_MAX);
    if (consume_metadata(reading, entry, name, err) < 0)
        return -1;
    size_t planned = reading->plan->count;
    if (place_of(reading->tree, name, path, err) < 0 || apply_member(reading, entry, path, err) < 0)
        return pe_fail_context(err, "%s", reading->name);
    bool unplanned = !reading->rules->squashfs && is_file(entry) && reading->plan->count == planned;
    return unplanned ? plan_file(reading, NULL, err) : 0;
}

int layer_scan(struct stream *stream, const char *name, struct tree *tree, struct layer_rules *rules,
               struct layer_plan *plan, struct layer_counts *counts, struct pe_error *err)
{
    __attribute__((cleanup(cleanup_reading))) struct reading reading = {
        .stream = stream, .name = name, .tree = tree, .rules = rules, .plan = plan, .counts = counts};
    if (open_tar(&reading, err) < 0)
        return -1;
    for (;;) {
        struct archive_entry *entry = NULL;
        int got = next_member(&reading, &entry, err);
        if (got <= 0)
            return got;
        if (scan_member(&reading, entry, err) < 0)
            return -1;
    }
}

/* ---- second pass ---- */

int layer_write(struct stream *stream, const char *name, const struct layer_plan *plan,
                struct squashfs_image *squashfs, struct layer_counts *counts, struct pe_error *err)
{
    __attribute__((cleanup(cleanup_reading))) struct reading reading = {
        .stream = stream, .name = name, .counts = counts};
    if (open_tar(&reading, err) < 0)
        return -1;
    size_t at = 0;
    for (;;) {
        struct archive_entry *entry = NULL;
        int got = next_member(&reading, &entry, err);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        if (!is_file(entry))
            continue;
        if (at == plan->count)
            break;
        struct tree_inode *inode = plan->inodes[at++];
        if (inode && inode->links > 0 &&
            write_content(&reading, squashfs, inode, (uint64_t)archive_entry_size(entry), err) < 0)
            return -1;
    }
    return at == plan->count ? 0 : pe_fail(err, PE_ERR_INVALID, "%s changed while it was being read", name);
}
