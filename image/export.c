/* SPDX-License-Identifier: Apache-2.0 */
/* Walking through an image and writing its members in the order of their names. */
#include "image/export.h"

#include "base/cleanup.h"
#include "image/squashfs_reader.h"
#include "image/tar_writer.h"
#include "image/tree.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES (1u << 20)

struct exporting {
    struct squashfs_reader *source;
    struct tar_writer tar;
    char path[PATH_MAX];
};

static void free_exporting(struct exporting *state)
{
    tar_writer_free(&state->tar);
    squashfs_reader_close(state->source);
}

static int write_content(struct exporting *state, const struct tree_inode *inode, uint64_t size,
                         struct pe_error *err)
{
    static uint8_t chunk[READ_BYTES];
    for (uint64_t at = 0; at < size;) {
        int64_t n = squashfs_reader_read_file(state->source, inode, at, chunk, sizeof chunk, err);
        if (n < 0)
            return -1;
        if (n == 0)
            return pe_fail(err, PE_ERR_MALFORMED, "%s is shorter than its inode says", state->path);
        if (tar_writer_append(&state->tar, chunk, (size_t)n, err) < 0)
            return -1;
        at += (uint64_t)n;
    }
    return 0;
}

/* Write one member. The first name of an inode with several names is kept in its `target`; later
 * names become hard links to it. */
static int write_member(struct exporting *state, struct tree_inode *inode, struct pe_error *err)
{
    bool file = S_ISREG(inode->attributes.mode);
    uint64_t size = file ? squashfs_reader_file_size(inode) : 0;
    if (tar_writer_add(&state->tar, state->path, inode, inode->target, size, err) < 0)
        return -1;
    if (!file || inode->target)
        return 0;
    if (inode->links > 1 && !(inode->target = strdup(state->path)))
        return pe_fail_errno(err, "out of memory for %s", state->path);
    return write_content(state, inode, size, err);
}

static int write_below(struct exporting *state, const struct tree_inode *directory, struct pe_error *err)
{
    size_t length = strlen(state->path);
    struct tree_place place = {0};
    const struct tree_entry *entry = NULL;
    while ((entry = tree_directory_next(&directory->directory, &place))) {
        struct tree_inode *inode = entry->inode;
        bool folder = S_ISDIR(inode->attributes.mode);
        snprintf(state->path + length, sizeof state->path - length, "%s%s", entry->name, folder ? "/" : "");
        if (write_member(state, inode, err) < 0 || (folder && write_below(state, inode, err) < 0))
            return -1;
        state->path[length] = '\0';
    }
    return 0;
}

int export_tar(const char *store, const struct pe_image *image, uint64_t bytes_max, int fd,
               struct pe_error *err)
{
    char path[PATH_MAX];
    pe_autotree struct tree tree = {0};
    struct squashfs_limits limits = {
        .names_left = SQUASHFS_NAMES_MAX, .metadata_left = SQUASHFS_METADATA_MAX, .bytes_left = bytes_max};
    snprintf(path, sizeof path, "%s/%s/rootfs.squashfs", store, image->digest + strlen("sha256:"));
    __attribute__((cleanup(free_exporting))) struct exporting state = {
        .source = squashfs_reader_open(path, err), .tar = {.fd = fd}};
    if (!state.source || tree_init(&tree, err) < 0 ||
        squashfs_reader_read_tree(state.source, image->root, &tree, "", &limits, err) < 0 ||
        write_below(&state, tree.root, err) < 0)
        return -1;
    return tar_writer_finish(&state.tar, err);
}
