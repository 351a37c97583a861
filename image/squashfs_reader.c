/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a squashfs image that is read: opening it, and the contents of its files. squashfs_walk.c
 * reads its directories. */
#include "base/cleanup.h"
#include "image/squashfs_error.h"
#include "image/squashfs_reader_internal.h"

#include <limits.h>
#include <sqfs/block.h>
#include <sqfs/error.h>
#include <stdlib.h>
#include <string.h>

void squashfs_reader_close(struct squashfs_reader *reader)
{
    if (!reader)
        return;
    squashfs_xattrs_close(&reader->xattrs);
    sqfs_destroy(reader->data);
    sqfs_destroy(reader->listings);
    sqfs_destroy(reader->inodes);
    sqfs_destroy(reader->fragments);
    sqfs_destroy(reader->ids);
    sqfs_destroy(reader->decompressor);
    sqfs_destroy(reader->file);
    free(reader->path);
    free(reader);
}

static int create_decompressor(struct squashfs_reader *reader, struct pe_error *err)
{
    sqfs_compressor_config_t config;
    int code = sqfs_compressor_config_init(&config, reader->super.compression_id, reader->super.block_size,
                                           SQFS_COMP_FLAG_UNCOMPRESS);
    if (code == 0)
        code = sqfs_compressor_create(&config, &reader->decompressor);
    return code == 0 ? 0 : squashfs_fail(reader->path, code, "unpack its compression", err);
}

static int create_readers(struct squashfs_reader *reader, struct pe_error *err)
{
    const sqfs_super_t *super = &reader->super;
    reader->ids = sqfs_id_table_create(0);
    reader->fragments = sqfs_frag_table_create(0);
    reader->inodes = sqfs_meta_reader_create(reader->file, reader->decompressor, super->inode_table_start,
                                             super->directory_table_start);
    reader->listings = sqfs_meta_reader_create(reader->file, reader->decompressor,
                                               super->directory_table_start, super->id_table_start);
    reader->data = sqfs_data_reader_create(reader->file, super->block_size, reader->decompressor, 0);
    return reader->ids && reader->fragments && reader->inodes && reader->listings && reader->data
               ? 0
               : squashfs_fail(reader->path, SQFS_ERROR_ALLOC, "read it", err);
}

static int read_tables(struct squashfs_reader *reader, struct pe_error *err)
{
    int code = sqfs_id_table_read(reader->ids, reader->file, &reader->super, reader->decompressor);
    if (code == 0)
        code = sqfs_frag_table_read(reader->fragments, reader->file, &reader->super, reader->decompressor);
    if (code == 0)
        code = sqfs_data_reader_load_fragment_table(reader->data, &reader->super);
    return code == 0 ? squashfs_xattrs_open(reader, err)
                     : squashfs_fail(reader->path, code, "read the tables", err);
}

static int open_image(struct squashfs_reader *reader, struct pe_error *err)
{
    reader->file = sqfs_open_file(reader->path, SQFS_FILE_OPEN_READ_ONLY);
    if (!reader->file)
        return pe_fail_errno(err, "cannot open %s", reader->path);
    if (squashfs_super_load(reader->path, reader->file, &reader->super, err) < 0 ||
        create_decompressor(reader, err) < 0 || create_readers(reader, err) < 0)
        return -1;
    return read_tables(reader, err);
}

struct squashfs_reader *squashfs_reader_open(const char *path, struct pe_error *err)
{
    pe_autosquashfsreader struct squashfs_reader *reader = calloc(1, sizeof *reader);
    if (!reader || !(reader->path = strdup(path))) {
        pe_fail_errno(err, "out of memory for %s", path);
        return NULL;
    }
    return open_image(reader, err) < 0 ? NULL : pe_steal_ptr(&reader);
}

/* ---- files ---- */

uint64_t squashfs_reader_file_size(const struct tree_inode *inode)
{
    sqfs_u64 size = 0;
    return inode->content && sqfs_inode_get_file_size(inode->content, &size) == 0 ? size : 0;
}

/* True if `size` bytes at `start` are behind the superblock and in front of the inodes. */
static bool is_data(const struct squashfs_reader *reader, uint64_t start, uint64_t size)
{
    uint64_t end = reader->super.inode_table_start;
    return start >= sizeof reader->super && start <= end && size <= end - start;
}

static bool is_fragment_in_place(const struct squashfs_reader *reader, uint32_t number)
{
    sqfs_fragment_t fragment;
    return sqfs_frag_table_lookup(reader->fragments, number, &fragment) == 0 &&
           is_data(reader, fragment.start_offset, SQFS_ON_DISK_BLOCK_SIZE(fragment.size));
}

int squashfs_reader_check_place(const struct squashfs_reader *reader, const struct tree_inode *inode,
                                struct pe_error *err)
{
    sqfs_u64 start = 0, bytes = 0;
    sqfs_u32 fragment = UINT32_MAX, offset = 0;
    const sqfs_inode_generic_t *content = inode->content;
    (void)sqfs_inode_get_file_block_start(content, &start);
    (void)sqfs_inode_get_frag_location(content, &fragment, &offset);
    size_t count = sqfs_inode_get_file_block_count(content);
    for (size_t i = 0; i < count; i++)
        bytes += SQFS_ON_DISK_BLOCK_SIZE(content->extra[i]);
    bool in_place = bytes == 0 || is_data(reader, start, bytes);
    if (in_place && fragment != UINT32_MAX)
        in_place = is_fragment_in_place(reader, fragment);
    return in_place ? 0 : squashfs_reject(reader->path, "has a file whose bytes are in its tables", err);
}

int64_t squashfs_reader_read_file(struct squashfs_reader *reader, const struct tree_inode *inode,
                                  uint64_t offset, void *bytes, size_t size, struct pe_error *err)
{
    sqfs_s32 n = sqfs_data_reader_read(reader->data, inode->content, offset, bytes,
                                       size > INT_MAX ? INT_MAX : (sqfs_u32)size);
    return n >= 0 ? n : squashfs_fail(reader->path, n, "read a file", err);
}
