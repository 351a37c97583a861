/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes and directories of a squashfs image. A directory entry holds the position of its inode, so
 * inodes are written before the directory that names them: depth first, with the root last. */
#include "base/cleanup.h"
#include "image/squashfs_error.h"
#include "image/squashfs_internal.h"

#include <sqfs/dir_writer.h>
#include <sqfs/error.h>
#include <sqfs/inode.h>
#include <sqfs/meta_writer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NO_XATTR UINT32_MAX

/* The two metadata streams. Directories follow the inodes in the file, so they are kept in
 * memory. */
struct streams {
    struct squashfs_image *squashfs;
    sqfs_meta_writer_t *inodes;
    sqfs_meta_writer_t *directories;
    sqfs_dir_writer_t *listing;
};

static void streams_free(struct streams *streams)
{
    sqfs_destroy(streams->listing);
    sqfs_destroy(streams->directories);
    sqfs_destroy(streams->inodes);
}

static void free_inode(sqfs_inode_generic_t **inode)
{
    sqfs_free(*inode);
}
#define autoinode __attribute__((cleanup(free_inode)))

static bool is_directory(const struct tree_entry *entry)
{
    return S_ISDIR(entry->inode->attributes.mode);
}

/* Number the inodes below `directory` in the order in which they will be written: first the
 * contents of subdirectories, then the directory's own entries. Neighbouring numbers keep its
 * listing short. */
static void number_inodes(struct tree_inode *directory, uint32_t *count)
{
    struct tree_place place = {0};
    const struct tree_entry *entry = NULL;
    while ((entry = tree_directory_next(&directory->directory, &place)))
        if (is_directory(entry))
            number_inodes(entry->inode, count);
    place = (struct tree_place){0};
    while ((entry = tree_directory_next(&directory->directory, &place)))
        if (entry->inode->number == 0)
            entry->inode->number = ++*count;
}

/* Store the inode's extended attributes. `*number` identifies the set, or is NO_XATTR. */
static int record_xattrs(struct streams *streams, const struct tree_inode *inode, sqfs_u32 *number,
                         struct pe_error *err)
{
    sqfs_xattr_writer_t *writer = streams->squashfs->xattrs;
    *number = NO_XATTR;
    if (inode->xattr_count == 0)
        return 0;
    int code = sqfs_xattr_writer_begin(writer, 0);
    for (size_t i = 0; code == 0 && i < inode->xattr_count; i++)
        code = sqfs_xattr_writer_add(writer, inode->xattrs[i].name, inode->xattrs[i].value,
                                     inode->xattrs[i].size);
    if (code == 0)
        code = sqfs_xattr_writer_end(writer, number);
    return code == 0 ? 0 : squashfs_fail(streams->squashfs->path, code, "write extended attributes", err);
}

static int write_inode(struct streams *streams, struct tree_inode *inode, sqfs_inode_generic_t *content,
                       struct pe_error *err)
{
    sqfs_u32 xattrs = NO_XATTR;
    if (record_xattrs(streams, inode, &xattrs, err) < 0)
        return -1;
    if (xattrs != NO_XATTR && sqfs_inode_set_xattr_index(content, xattrs) != 0)
        return squashfs_fail(streams->squashfs->path, SQFS_ERROR_UNSUPPORTED,
                             "write extended attributes of an inode", err);

    const struct tree_attributes *attributes = &inode->attributes;
    int code = sqfs_id_table_id_to_index(streams->squashfs->ids, attributes->uid, &content->base.uid_idx);
    if (code == 0)
        code = sqfs_id_table_id_to_index(streams->squashfs->ids, attributes->gid, &content->base.gid_idx);
    if (code != 0)
        return squashfs_fail(streams->squashfs->path, code, "store more than 65536 different owners", err);
    content->base.mode = (sqfs_u16)attributes->mode;
    content->base.mod_time = attributes->mtime;
    content->base.inode_number = inode->number;

    sqfs_u64 block = 0;
    sqfs_u32 offset = 0;
    sqfs_meta_writer_get_position(streams->inodes, &block, &offset);
    inode->reference = block << 16 | offset;
    inode->written = true;
    code = sqfs_meta_writer_write_inode(streams->inodes, content);
    return code == 0 ? 0 : squashfs_fail(streams->squashfs->path, code, "write an inode", err);
}

static int write_file(struct streams *streams, struct tree_inode *inode, struct pe_error *err)
{
    if (inode->links > 1) {
        /* Only extended inodes have a link count. */
        int code = sqfs_inode_make_extended(inode->content);
        if (code != 0)
            return squashfs_fail(streams->squashfs->path, code, "write a hard link", err);
    }
    if (inode->content->base.type == SQFS_INODE_EXT_FILE)
        inode->content->data.file_ext.nlink = inode->links;
    return write_inode(streams, inode, inode->content, err);
}

static int write_symlink(struct streams *streams, struct tree_inode *inode, struct pe_error *err)
{
    size_t size = strlen(inode->target);
    pe_autofree sqfs_inode_generic_t *content = calloc(1, sizeof *content + size + 1);
    if (!content)
        return squashfs_fail(streams->squashfs->path, SQFS_ERROR_ALLOC, "write a symbolic link", err);
    content->base.type = SQFS_INODE_SLINK;
    content->payload_bytes_available = content->payload_bytes_used = (sqfs_u32)size;
    content->data.slink.nlink = inode->links;
    content->data.slink.target_size = (sqfs_u32)size;
    memcpy(content->extra, inode->target, size);
    return write_inode(streams, inode, content, err);
}

/* Write a device node, FIFO or socket. */
static int write_special(struct streams *streams, struct tree_inode *inode, struct pe_error *err)
{
    pe_autofree sqfs_inode_generic_t *content = calloc(1, sizeof *content);
    if (!content)
        return squashfs_fail(streams->squashfs->path, SQFS_ERROR_ALLOC, "write a device node", err);
    mode_t mode = inode->attributes.mode;
    if (S_ISFIFO(mode) || S_ISSOCK(mode)) {
        content->base.type = S_ISFIFO(mode) ? SQFS_INODE_FIFO : SQFS_INODE_SOCKET;
        content->data.ipc.nlink = inode->links;
    } else {
        content->base.type = S_ISCHR(mode) ? SQFS_INODE_CDEV : SQFS_INODE_BDEV;
        content->data.dev.nlink = inode->links;
        content->data.dev.devno = inode->attributes.device;
    }
    return write_inode(streams, inode, content, err);
}

static int write_listing(struct streams *streams, const struct tree_inode *directory, struct pe_error *err)
{
    int code = sqfs_dir_writer_begin(streams->listing, 0);
    struct tree_place place = {0};
    const struct tree_entry *entry = NULL;
    while (code == 0 && (entry = tree_directory_next(&directory->directory, &place)))
        code = sqfs_dir_writer_add_entry(streams->listing, entry->name, entry->inode->number,
                                         entry->inode->reference, (sqfs_u16)entry->inode->attributes.mode);
    if (code == 0)
        code = sqfs_dir_writer_end(streams->listing);
    return code == 0 ? 0 : squashfs_fail(streams->squashfs->path, code, "write a directory", err);
}

/* Write all inodes of a directory that are not directories and have not been written under another
 * name. */
static int write_files(struct streams *streams, const struct tree_inode *directory, struct pe_error *err)
{
    struct tree_place place = {0};
    const struct tree_entry *entry = NULL;
    while ((entry = tree_directory_next(&directory->directory, &place))) {
        struct tree_inode *inode = entry->inode;
        if (inode->written || is_directory(entry))
            continue;
        int result = S_ISLNK(inode->attributes.mode)   ? write_symlink(streams, inode, err)
                     : S_ISREG(inode->attributes.mode) ? write_file(streams, inode, err)
                                                       : write_special(streams, inode, err);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int write_directory(struct streams *streams, struct tree_inode *directory, uint32_t parent,
                           struct pe_error *err)
{
    size_t links = 2; /* its name and its "."; the ".." of each subdirectory adds one */
    struct tree_place place = {0};
    const struct tree_entry *entry = NULL;
    while ((entry = tree_directory_next(&directory->directory, &place))) {
        if (!is_directory(entry))
            continue;
        links++;
        if (write_directory(streams, entry->inode, directory->number, err) < 0)
            return -1;
    }
    if (write_files(streams, directory, err) < 0 || write_listing(streams, directory, err) < 0)
        return -1;
    autoinode sqfs_inode_generic_t *content =
        sqfs_dir_writer_create_inode(streams->listing, links, NO_XATTR, parent);
    if (!content)
        return squashfs_fail(streams->squashfs->path, SQFS_ERROR_ALLOC, "write a directory", err);
    return write_inode(streams, directory, content, err);
}

static int open_streams(struct squashfs_image *squashfs, struct streams *streams, struct pe_error *err)
{
    *streams = (struct streams){.squashfs = squashfs};
    streams->inodes = sqfs_meta_writer_create(squashfs->file, squashfs->compressor, 0);
    streams->directories =
        sqfs_meta_writer_create(squashfs->file, squashfs->compressor, SQFS_META_WRITER_KEEP_IN_MEMORY);
    if (streams->directories)
        streams->listing = sqfs_dir_writer_create(streams->directories, 0);
    return streams->inodes && streams->listing
               ? 0
               : squashfs_fail(squashfs->path, SQFS_ERROR_ALLOC, "write inodes and directories", err);
}

int squashfs_image_write_tree(struct squashfs_image *squashfs, struct tree *tree, struct pe_error *err)
{
    __attribute__((cleanup(streams_free))) struct streams streams = {0};
    if (open_streams(squashfs, &streams, err) < 0)
        return -1;
    uint32_t count = 0;
    number_inodes(tree->root, &count);
    tree->root->number = ++count;
    squashfs->super.inode_count = count;
    squashfs->super.inode_table_start = squashfs->file->get_size(squashfs->file);
    /* The root has no parent. Like mksquashfs, use a number that no inode has. */
    if (write_directory(&streams, tree->root, count + 1, err) < 0)
        return -1;
    squashfs->super.root_inode_ref = tree->root->reference;
    int code = sqfs_meta_writer_flush(streams.inodes);
    squashfs->super.directory_table_start = squashfs->file->get_size(squashfs->file);
    if (code == 0)
        code = sqfs_meta_writer_flush(streams.directories);
    if (code == 0)
        code = sqfs_meta_write_write_to_file(streams.directories);
    return code == 0 ? 0 : squashfs_fail(squashfs->path, code, "write inodes and directories", err);
}
