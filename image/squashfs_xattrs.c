/* SPDX-License-Identifier: Apache-2.0 */
/* Reading extended attributes of a squashfs image. Inodes name sets of attributes by their number,
 * and many inodes may name one set. libsquashfs' own reader is not used: it allocates what the image
 * says, up to 4 GiB for each value. */
#include "image/squashfs_error.h"
#include "image/squashfs_reader_internal.h"

#include <endian.h>
#include <sqfs/block.h>
#include <sqfs/error.h>
#include <sqfs/xattr.h>
#include <stdlib.h>
#include <string.h>

/* XATTR_NAME_MAX and XATTR_SIZE_MAX of linux/limits.h, and the number that image/layer.c allows. */
#define NAME_BYTES_MAX 255u
#define VALUE_BYTES_MAX 65536u
#define XATTRS_MAX 64u
/* Room for a prefix such as "security.". */
#define PREFIX_BYTES_MAX 32u

void squashfs_xattrs_close(struct squashfs_xattrs *xattrs)
{
    free(xattrs->blocks);
    sqfs_destroy(xattrs->sets);
    sqfs_destroy(xattrs->keys);
    *xattrs = (struct squashfs_xattrs){0};
}

static int fail(const struct squashfs_reader *reader, int code, struct pe_error *err)
{
    return squashfs_fail(reader->path, code, "read extended attributes", err);
}

/* ---- the table ---- */

static int read_blocks(struct squashfs_reader *reader, size_t count, struct pe_error *err)
{
    struct squashfs_xattrs *xattrs = &reader->xattrs;
    uint64_t at = reader->super.xattr_id_table_start + sizeof(sqfs_xattr_id_table_t);
    xattrs->blocks = calloc(count + 1, sizeof *xattrs->blocks);
    if (!xattrs->blocks)
        return pe_fail_errno(err, "%s: out of memory for extended attributes", reader->path);
    int code = reader->file->read_at(reader->file, at, xattrs->blocks, count * sizeof *xattrs->blocks);
    for (size_t i = 0; i < count; i++)
        xattrs->blocks[i] = le64toh(xattrs->blocks[i]);
    return code == 0 ? 0 : fail(reader, code, err);
}

static sqfs_meta_reader_t *make_reader(const struct squashfs_reader *reader)
{
    return sqfs_meta_reader_create(reader->file, reader->decompressor, reader->super.id_table_start,
                                   reader->super.bytes_used);
}

int squashfs_xattrs_open(struct squashfs_reader *reader, struct pe_error *err)
{
    sqfs_xattr_id_table_t table;
    struct squashfs_xattrs *xattrs = &reader->xattrs;
    uint64_t start = reader->super.xattr_id_table_start;
    if ((reader->super.flags & SQFS_FLAG_NO_XATTRS) || start == UINT64_MAX)
        return 0;
    int code = reader->file->read_at(reader->file, start, &table, sizeof table);
    if (code != 0)
        return fail(reader, code, err);
    xattrs->keys_start = le64toh(table.xattr_table_start);
    xattrs->count = le32toh(table.xattr_ids);
    if (xattrs->count > reader->super.inode_count)
        return squashfs_reject(reader->path, "has more sets of extended attributes than inodes", err);
    uint64_t bytes = (uint64_t)xattrs->count * sizeof(sqfs_xattr_id_t);
    if (read_blocks(reader, (size_t)((bytes + SQFS_META_BLOCK_SIZE - 1) / SQFS_META_BLOCK_SIZE), err) < 0)
        return -1;
    xattrs->sets = make_reader(reader);
    xattrs->keys = make_reader(reader);
    return xattrs->sets && xattrs->keys ? 0 : fail(reader, SQFS_ERROR_ALLOC, err);
}

static int find_set(struct squashfs_reader *reader, uint32_t number, sqfs_xattr_id_t *set,
                    struct pe_error *err)
{
    struct squashfs_xattrs *xattrs = &reader->xattrs;
    if (number >= xattrs->count)
        return squashfs_reject(reader->path, "has an inode with extended attributes that do not exist", err);
    size_t at = (size_t)number * sizeof *set;
    int code = sqfs_meta_reader_seek(xattrs->sets, xattrs->blocks[at / SQFS_META_BLOCK_SIZE],
                                     at % SQFS_META_BLOCK_SIZE);
    if (code == 0)
        code = sqfs_meta_reader_read(xattrs->sets, set, sizeof *set);
    set->xattr = le64toh(set->xattr);
    set->count = le32toh(set->count);
    if (code != 0)
        return fail(reader, code, err);
    return set->count <= XATTRS_MAX
               ? 0
               : squashfs_reject(reader->path, "has an inode with more than 64 extended attributes", err);
}

/* ---- keys and values ---- */

/* Go to a reference: the position of a metadata block behind the first key, and in the lower 16 bits
 * the offset in the unpacked block. */
static int seek(struct squashfs_reader *reader, uint64_t reference)
{
    return sqfs_meta_reader_seek(reader->xattrs.keys, reader->xattrs.keys_start + (reference >> 16),
                                 reference & 0xffff);
}

/* Read a key into `name`. `*type` is its prefix and whether its value is elsewhere. */
static int read_name(struct squashfs_reader *reader, char name[PREFIX_BYTES_MAX + NAME_BYTES_MAX + 1],
                     uint16_t *type, struct pe_error *err)
{
    sqfs_xattr_entry_t head;
    int code = sqfs_meta_reader_read(reader->xattrs.keys, &head, sizeof head);
    if (code != 0)
        return fail(reader, code, err);
    *type = le16toh(head.type);
    size_t size = le16toh(head.size);
    const char *prefix = sqfs_get_xattr_prefix((SQFS_XATTR_TYPE)(*type & SQFS_XATTR_PREFIX_MASK));
    if (!prefix || strlen(prefix) > PREFIX_BYTES_MAX || size == 0 || size > NAME_BYTES_MAX)
        return squashfs_reject(reader->path, "has an extended attribute without a possible name", err);
    size_t used = strlen(prefix);
    memcpy(name, prefix, used);
    code = sqfs_meta_reader_read(reader->xattrs.keys, name + used, size);
    name[used + size] = '\0';
    if (code != 0)
        return fail(reader, code, err);
    return strlen(name) == used + size
               ? 0
               : squashfs_reject(reader->path, "has an extended attribute with a zero byte in its name", err);
}

/* Read the value that follows in the table, of at most VALUE_BYTES_MAX bytes. */
static int read_value(struct squashfs_reader *reader, uint8_t *value, size_t *size, struct pe_error *err)
{
    uint32_t stored = 0;
    int code = sqfs_meta_reader_read(reader->xattrs.keys, &stored, sizeof stored);
    *size = le32toh(stored);
    if (code != 0)
        return fail(reader, code, err);
    if (*size > VALUE_BYTES_MAX)
        return squashfs_reject(reader->path, "has an extended attribute of more than 64 KiB", err);
    code = sqfs_meta_reader_read(reader->xattrs.keys, value, *size);
    return code == 0 ? 0 : fail(reader, code, err);
}

/* Read a value that is stored elsewhere, and go back to the next key if there is one. */
static int read_far_value(struct squashfs_reader *reader, uint8_t *value, size_t *size, bool last,
                          struct pe_error *err)
{
    uint64_t reference = 0, back = 0;
    size_t offset = 0;
    if (read_value(reader, value, size, err) < 0)
        return -1;
    if (*size != sizeof reference)
        return squashfs_reject(reader->path, "has an extended attribute with a wrong reference", err);
    memcpy(&reference, value, sizeof reference);
    sqfs_meta_reader_get_position(reader->xattrs.keys, &back, &offset);
    int code = seek(reader, le64toh(reference));
    if (code != 0)
        return fail(reader, code, err);
    if (read_value(reader, value, size, err) < 0)
        return -1;
    code = last ? 0 : sqfs_meta_reader_seek(reader->xattrs.keys, back, offset);
    return code == 0 ? 0 : fail(reader, code, err);
}

static int read_xattr(struct squashfs_reader *reader, bool last, uint8_t *value,
                      struct squashfs_limits *limits, struct tree_inode *inode, struct pe_error *err)
{
    char name[PREFIX_BYTES_MAX + NAME_BYTES_MAX + 1];
    uint16_t type = 0;
    size_t size = 0;
    if (read_name(reader, name, &type, err) < 0)
        return -1;
    int failed = type & SQFS_XATTR_FLAG_OOL ? read_far_value(reader, value, &size, last, err)
                                            : read_value(reader, value, &size, err);
    if (failed || squashfs_consume_metadata(reader, limits, strlen(name) + size, err) < 0)
        return -1;
    return tree_set_xattr(inode, name, value, size, err);
}

int squashfs_xattrs_read(struct squashfs_reader *reader, uint32_t number, struct squashfs_limits *limits,
                         struct tree_inode *inode, struct pe_error *err)
{
    static uint8_t value[VALUE_BYTES_MAX];
    sqfs_xattr_id_t set = {0};
    if (number == SQUASHFS_NO_XATTR)
        return 0;
    if (find_set(reader, number, &set, err) < 0)
        return -1;
    int code = set.count ? seek(reader, set.xattr) : 0;
    if (code != 0)
        return fail(reader, code, err);
    for (uint32_t i = 0; i < set.count; i++)
        if (read_xattr(reader, i + 1 == set.count, value, limits, inode, err) < 0)
            return -1;
    return 0;
}
