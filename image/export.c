/* SPDX-License-Identifier: Apache-2.0 */
/* Writing tars with libarchive. */
#include "image/export.h"

#include "base/cleanup.h"
#include "image/squashfs_reader.h"
#include "image/tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define READ_BYTES (1u << 20)

struct exporting {
    struct squashfs_reader *source;
    struct archive *archive;
    char path[PATH_MAX];
};

static void free_exporting(struct exporting *state)
{
    if (state->archive)
        archive_write_free(state->archive);
    squashfs_reader_close(state->source);
}

static void free_entry(struct archive_entry **entry)
{
    if (*entry)
        archive_entry_free(*entry);
}

static int fail(const struct exporting *state, struct pe_error *err)
{
    const char *why = archive_error_string(state->archive);
    return pe_fail(err, PE_ERR_INTERNAL, "cannot write the tar: %s", why ? why : "libarchive failed");
}

static int write_content(struct exporting *state, const struct tree_inode *inode, struct pe_error *err)
{
    static uint8_t chunk[READ_BYTES];
    uint64_t size = squashfs_reader_file_size(inode);
    for (uint64_t at = 0; at < size;) {
        int64_t n = squashfs_reader_read_file(state->source, inode, at, chunk, sizeof chunk, err);
        if (n < 0)
            return -1;
        if (n == 0 || archive_write_data(state->archive, chunk, (size_t)n) != n)
            return fail(state, err);
        at += (uint64_t)n;
    }
    return 0;
}

static void set_device(struct archive_entry *entry, uint32_t device)
{
    archive_entry_set_rdevmajor(entry, (device >> 8) & 0xfff);
    archive_entry_set_rdevminor(entry, (device & 0xff) | ((device >> 12) & ~0xffu));
}

/* Write one member. The first name of an inode with several names is kept in its `target`; later
 * names become hard links to it. */
static int write_member(struct exporting *state, struct tree_inode *inode, struct pe_error *err)
{
    __attribute__((cleanup(free_entry))) struct archive_entry *entry = archive_entry_new();
    const struct tree_attributes *attributes = &inode->attributes;
    if (!entry)
        return pe_fail_errno(err, "out of memory for %s", state->path);
    bool linked = inode->links > 1 && inode->target && S_ISREG(attributes->mode);
    archive_entry_copy_pathname(entry, state->path);
    archive_entry_set_mode(entry, attributes->mode);
    archive_entry_set_uid(entry, attributes->uid);
    archive_entry_set_gid(entry, attributes->gid);
    archive_entry_set_mtime(entry, attributes->mtime, 0);
    for (size_t i = 0; i < inode->xattr_count; i++)
        archive_entry_xattr_add_entry(entry, inode->xattrs[i].name, inode->xattrs[i].value,
                                      inode->xattrs[i].size);
    if (S_ISLNK(attributes->mode))
        archive_entry_copy_symlink(entry, inode->target);
    if (S_ISCHR(attributes->mode) || S_ISBLK(attributes->mode))
        set_device(entry, attributes->device);
    if (linked)
        archive_entry_copy_hardlink(entry, inode->target);
    else if (S_ISREG(attributes->mode))
        archive_entry_set_size(entry, (int64_t)squashfs_reader_file_size(inode));
    int code = archive_write_header(state->archive, entry);
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
        return fail(state, err);
    if (linked || !S_ISREG(attributes->mode))
        return 0;
    if (inode->links > 1 && !(inode->target = strdup(state->path)))
        return pe_fail_errno(err, "out of memory for %s", state->path);
    return write_content(state, inode, err);
}

static int write_below(struct exporting *state, const struct tree_inode *directory, struct pe_error *err)
{
    size_t length = strlen(state->path);
    for (size_t i = 0; i < directory->entry_count; i++) {
        struct tree_inode *inode = directory->entries[i].inode;
        bool folder = S_ISDIR(inode->attributes.mode);
        snprintf(state->path + length, sizeof state->path - length, "%s%s", directory->entries[i].name,
                 folder ? "/" : "");
        if (write_member(state, inode, err) < 0 || (folder && write_below(state, inode, err) < 0))
            return -1;
        state->path[length] = '\0';
    }
    return 0;
}

int export_tar(const char *store, const struct pe_image *image, int fd, struct pe_error *err)
{
    char path[PATH_MAX];
    pe_autotree struct tree tree = {0};
    snprintf(path, sizeof path, "%s/%s/rootfs.squashfs", store, image->digest + strlen("sha256:"));
    __attribute__((cleanup(free_exporting))) struct exporting state = {
        .source = squashfs_reader_open(path, err), .archive = archive_write_new()};
    if (!state.source || tree_init(&tree, err) < 0 ||
        squashfs_reader_read_tree(state.source, image->root, &tree, "", err) < 0)
        return -1;
    if (!state.archive)
        return pe_fail_errno(err, "out of memory");
    if (archive_write_set_format_pax_restricted(state.archive) != ARCHIVE_OK ||
        archive_write_set_options(state.archive, "hdrcharset=BINARY") < ARCHIVE_WARN ||
        /* Without padding, a pipe gets the same bytes as a file. */
        archive_write_set_bytes_in_last_block(state.archive, 1) != ARCHIVE_OK ||
        archive_write_open_fd(state.archive, fd) != ARCHIVE_OK)
        return fail(&state, err);
    if (write_below(&state, tree.root, err) < 0)
        return -1;
    return archive_write_close(state.archive) == ARCHIVE_OK ? 0 : fail(&state, err);
}
