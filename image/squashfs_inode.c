/* SPDX-License-Identifier: Apache-2.0 */
/* Reading single inodes of a squashfs image. Sizes are checked before memory is allocated for them. */
#include "base/cleanup.h"
#include "image/squashfs_error.h"
#include "image/squashfs_reader_internal.h"

#include <endian.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* Extended inodes have the type of the basic one plus this. */
#define EXTENDED (SQFS_INODE_EXT_DIR - SQFS_INODE_DIR)

static const uint16_t file_types[] = {
    [SQFS_INODE_DIR] = S_IFDIR,    [SQFS_INODE_FILE] = S_IFREG, [SQFS_INODE_SLINK] = S_IFLNK,
    [SQFS_INODE_BDEV] = S_IFBLK,   [SQFS_INODE_CDEV] = S_IFCHR, [SQFS_INODE_FIFO] = S_IFIFO,
    [SQFS_INODE_SOCKET] = S_IFSOCK};

void squashfs_inode_clear(struct squashfs_inode *inode)
{
    free(inode->target);
    sqfs_free(inode->content);
    *inode = (struct squashfs_inode){0};
}

static int fail(const struct squashfs_reader *reader, int code, struct pe_error *err)
{
    return squashfs_fail(reader->path, code, "read an inode", err);
}

int squashfs_consume_metadata(const struct squashfs_reader *reader, struct squashfs_limits *limits,
                              uint64_t bytes, struct pe_error *err)
{
    if (bytes > limits->metadata_left)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "%s: names, links, extended attributes and lists of blocks have more than %u MiB",
                       reader->path, SQUASHFS_METADATA_MAX >> 20);
    limits->metadata_left -= bytes;
    return 0;
}

static int read_directory(struct squashfs_reader *reader, bool extended, struct squashfs_inode *inode,
                          struct pe_error *err)
{
    sqfs_inode_dir_t basic;
    sqfs_inode_dir_ext_t more;
    int code = extended ? sqfs_meta_reader_read(reader->inodes, &more, sizeof more)
                        : sqfs_meta_reader_read(reader->inodes, &basic, sizeof basic);
    if (code != 0)
        return fail(reader, code, err);
    inode->listing.block = le32toh(extended ? more.start_block : basic.start_block);
    inode->listing.offset = le16toh(extended ? more.offset : basic.offset);
    inode->listing.size = extended ? le32toh(more.size) : le16toh(basic.size);
    inode->xattrs = extended ? le32toh(more.xattr_idx) : SQUASHFS_NO_XATTR;
    return 0;
}

static int consume_file(const struct squashfs_reader *reader, struct squashfs_limits *limits, uint64_t size,
                        struct pe_error *err)
{
    if (size > limits->bytes_left)
        return pe_fail(
            err, PE_ERR_TOO_LARGE,
            "%s: its files have more bytes than an image may have, holes included; --max-mib sets the limit",
            reader->path);
    limits->bytes_left -= size;
    uint64_t blocks = size / reader->super.block_size + 1;
    return squashfs_consume_metadata(reader, limits, sizeof(sqfs_inode_generic_t) + 4 * blocks, err);
}

/* Read the size of a file, and then its whole inode with the list of blocks. */
static int read_file(struct squashfs_reader *reader, uint64_t reference, bool extended,
                     struct squashfs_limits *limits, struct squashfs_inode *inode, struct pe_error *err)
{
    sqfs_inode_file_t basic;
    sqfs_inode_file_ext_t more;
    int code = extended ? sqfs_meta_reader_read(reader->inodes, &more, sizeof more)
                        : sqfs_meta_reader_read(reader->inodes, &basic, sizeof basic);
    if (code != 0)
        return fail(reader, code, err);
    if (consume_file(reader, limits, extended ? le64toh(more.file_size) : le32toh(basic.file_size), err) < 0)
        return -1;
    code = sqfs_meta_reader_read_inode(reader->inodes, &reader->super, reference >> 16, reference & 0xffff,
                                       &inode->content);
    if (code != 0)
        return fail(reader, code, err);
    inode->xattrs = extended ? le32toh(more.xattr_idx) : SQUASHFS_NO_XATTR;
    /* The number of the attribute set is valid only in this image. */
    (void)sqfs_inode_set_xattr_index(inode->content, SQUASHFS_NO_XATTR);
    return 0;
}

static int read_symlink(struct squashfs_reader *reader, bool extended, struct squashfs_limits *limits,
                        struct squashfs_inode *inode, struct pe_error *err)
{
    sqfs_inode_slink_t head;
    int code = sqfs_meta_reader_read(reader->inodes, &head, sizeof head);
    if (code != 0)
        return fail(reader, code, err);
    uint32_t size = le32toh(head.target_size), xattrs = SQUASHFS_NO_XATTR;
    if (size == 0 || size >= PATH_MAX)
        return squashfs_reject(reader->path,
                               "has a symbolic link whose target is empty or longer than 4095 bytes", err);
    if (squashfs_consume_metadata(reader, limits, size, err) < 0)
        return -1;
    inode->target = calloc(1, size + 1);
    if (!inode->target)
        return pe_fail_errno(err, "out of memory for a symbolic link");
    code = sqfs_meta_reader_read(reader->inodes, inode->target, size);
    if (code == 0 && extended)
        code = sqfs_meta_reader_read(reader->inodes, &xattrs, sizeof xattrs);
    if (code != 0)
        return fail(reader, code, err);
    inode->xattrs = le32toh(xattrs);
    return strlen(inode->target) == size
               ? 0
               : squashfs_reject(reader->path, "has a symbolic link with a zero byte in its target", err);
}

static int read_device(struct squashfs_reader *reader, bool extended, struct squashfs_inode *inode,
                       struct pe_error *err)
{
    sqfs_inode_dev_ext_t more = {.xattr_idx = SQUASHFS_NO_XATTR};
    int code =
        sqfs_meta_reader_read(reader->inodes, &more, extended ? sizeof more : sizeof(sqfs_inode_dev_t));
    inode->device = le32toh(more.devno);
    inode->xattrs = le32toh(more.xattr_idx);
    return code == 0 ? 0 : fail(reader, code, err);
}

/* Read a FIFO or a socket. */
static int read_ipc(struct squashfs_reader *reader, bool extended, struct squashfs_inode *inode,
                    struct pe_error *err)
{
    sqfs_inode_ipc_ext_t more = {.xattr_idx = SQUASHFS_NO_XATTR};
    int code =
        sqfs_meta_reader_read(reader->inodes, &more, extended ? sizeof more : sizeof(sqfs_inode_ipc_t));
    inode->xattrs = le32toh(more.xattr_idx);
    return code == 0 ? 0 : fail(reader, code, err);
}

/* Read the part that all inodes have. `*extended` says which form the rest has. */
static int read_base(struct squashfs_reader *reader, uint64_t reference, struct squashfs_inode *inode,
                     bool *extended, struct pe_error *err)
{
    sqfs_inode_t *base = &inode->base;
    int code = sqfs_meta_reader_seek(reader->inodes, reader->super.inode_table_start + (reference >> 16),
                                     reference & 0xffff);
    if (code == 0)
        code = sqfs_meta_reader_read(reader->inodes, base, sizeof *base);
    if (code != 0)
        return fail(reader, code, err);
    base->type = le16toh(base->type);
    base->mode = le16toh(base->mode);
    base->uid_idx = le16toh(base->uid_idx);
    base->gid_idx = le16toh(base->gid_idx);
    base->mod_time = le32toh(base->mod_time);
    base->inode_number = le32toh(base->inode_number);
    if (base->type < SQFS_INODE_DIR || base->type > SQFS_INODE_EXT_SOCKET)
        return squashfs_reject(reader->path, "has an inode of an unknown type", err);
    if (base->inode_number == 0 || base->inode_number > reader->super.inode_count)
        return squashfs_reject(reader->path, "has an inode with a number that no inode can have", err);
    *extended = base->type > EXTENDED;
    base->type -= *extended ? EXTENDED : 0;
    base->mode = file_types[base->type] | (base->mode & 07777);
    return 0;
}

int squashfs_inode_read(struct squashfs_reader *reader, uint64_t reference, struct squashfs_limits *limits,
                        struct squashfs_inode *inode, struct pe_error *err)
{
    bool extended = false;
    *inode = (struct squashfs_inode){0};
    if (read_base(reader, reference, inode, &extended, err) < 0)
        return -1;
    int result = inode->base.type == SQFS_INODE_DIR ? read_directory(reader, extended, inode, err)
                 : inode->base.type == SQFS_INODE_FILE
                     ? read_file(reader, reference, extended, limits, inode, err)
                 : inode->base.type == SQFS_INODE_SLINK ? read_symlink(reader, extended, limits, inode, err)
                 : inode->base.type == SQFS_INODE_BDEV || inode->base.type == SQFS_INODE_CDEV
                     ? read_device(reader, extended, inode, err)
                     : read_ipc(reader, extended, inode, err);
    if (result < 0)
        squashfs_inode_clear(inode);
    return result;
}
