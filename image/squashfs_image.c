/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a squashfs image: superblock, file data and tables. squashfs_tree.c writes inodes and
 * directories, squashfs_reader.c reads an image. */
#include "image/squashfs_image.h"

#include "base/cleanup.h"
#include "image/squashfs_error.h"
#include "image/squashfs_internal.h"
#include "image/squashfs_reader_internal.h"
#include "proto/limits.h"

#include <fcntl.h>
#include <sqfs/block.h>
#include <sqfs/error.h>
#include <stdlib.h>
#include <unistd.h>

/* A page fault in the guest decompresses one block. Smaller blocks compress worse. Larger blocks
 * make a fault wait for bytes that are not needed. 128 KiB is also the default of mksquashfs. */
#define BLOCK_BYTES (128u * 1024u)
/* Blocks that may wait for each compressor thread. */
#define BACKLOG_PER_WORKER 10
#define WORKERS_MAX 8
#define COPY_BYTES (1u << 20)

void squashfs_image_free(struct squashfs_image *squashfs)
{
    if (!squashfs)
        return;
    /* The data processor goes first, because its threads use all the others. */
    sqfs_destroy(squashfs->data);
    sqfs_destroy(squashfs->blocks);
    sqfs_destroy(squashfs->fragments);
    sqfs_destroy(squashfs->ids);
    sqfs_destroy(squashfs->xattrs);
    sqfs_destroy(squashfs->decompressor);
    sqfs_destroy(squashfs->compressor);
    sqfs_destroy(squashfs->file);
    free(squashfs);
}

static int create_compressors(struct squashfs_image *squashfs, enum squashfs_compressor compressor,
                              struct pe_error *err)
{
    const int code =
        squashfs_compressor_make(compressor, BLOCK_BYTES, &squashfs->compressor, &squashfs->decompressor);
    return code == 0 ? 0 : squashfs_fail(squashfs->path, code, "create a compressor", err);
}

/* The superblock is written twice: as a placeholder here, and with its final contents at the
 * end. */
static int write_placeholder(struct squashfs_image *squashfs, enum squashfs_compressor compressor,
                             struct pe_error *err)
{
    squashfs->file = sqfs_open_file(squashfs->path, SQFS_FILE_OPEN_OVERWRITE);
    if (!squashfs->file)
        return pe_fail_errno(err, "cannot create %s", squashfs->path);
    int code = sqfs_super_init(&squashfs->super, BLOCK_BYTES, 0, squashfs_compressor_id(compressor));
    if (code == 0)
        code = sqfs_super_write(&squashfs->super, squashfs->file);
    if (code == 0)
        code = squashfs->compressor->write_options(squashfs->compressor, squashfs->file);
    if (code < 0)
        return squashfs_fail(squashfs->path, code, "write the superblock", err);
    if (code > 0)
        squashfs->super.flags |= SQFS_FLAG_COMPRESSOR_OPTIONS;
    return 0;
}

static int create_data_processor(struct squashfs_image *squashfs, struct pe_error *err)
{
    squashfs->blocks = sqfs_block_writer_create(squashfs->file, SQFS_DEVBLK_SIZE, 0);
    squashfs->fragments = sqfs_frag_table_create(0);
    squashfs->ids = sqfs_id_table_create(0);
    squashfs->xattrs = sqfs_xattr_writer_create(0);
    if (!squashfs->blocks || !squashfs->fragments || !squashfs->ids || !squashfs->xattrs)
        return squashfs_fail(squashfs->path, SQFS_ERROR_ALLOC, "create its tables", err);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = cpus < 1 ? 1 : cpus > WORKERS_MAX ? WORKERS_MAX : (unsigned)cpus;
    const sqfs_block_processor_desc_t description = {
        .size = sizeof description,
        .max_block_size = BLOCK_BYTES,
        .num_workers = workers,
        .max_backlog = workers * BACKLOG_PER_WORKER,
        .cmp = squashfs->compressor,
        .wr = squashfs->blocks,
        .tbl = squashfs->fragments,
        .file = squashfs->file,
        .uncmp = squashfs->decompressor,
    };
    int code = sqfs_block_processor_create_ex(&description, &squashfs->data);
    return code == 0 ? 0 : squashfs_fail(squashfs->path, code, "start the compressor threads", err);
}

struct squashfs_image *squashfs_image_create(const char *path, enum squashfs_compressor compressor,
                                             struct pe_error *err)
{
    pe_autosquashfs struct squashfs_image *squashfs = calloc(1, sizeof *squashfs);
    if (!squashfs) {
        pe_fail_errno(err, "out of memory for %s", path);
        return NULL;
    }
    squashfs->path = path;
    if (create_compressors(squashfs, compressor, err) < 0 ||
        write_placeholder(squashfs, compressor, err) < 0 || create_data_processor(squashfs, err) < 0)
        return NULL;
    return pe_steal_ptr(&squashfs);
}

/* The bytes of an image before its inode table are the superblock, compressor options and file
 * data. */
static int copy_data(struct squashfs_image *squashfs, const char *path, const sqfs_super_t *from,
                     struct pe_error *err)
{
    static uint8_t chunk[COPY_BYTES];
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open %s", path);
    for (uint64_t at = 0; at < from->inode_table_start;) {
        uint64_t left = from->inode_table_start - at;
        ssize_t n = pread(fd, chunk, left < COPY_BYTES ? (size_t)left : COPY_BYTES, (off_t)at);
        if (n <= 0)
            return n < 0 ? pe_fail_errno(err, "cannot read %s", path)
                         : pe_fail(err, PE_ERR_MALFORMED, "%s is truncated", path);
        int code = squashfs->file->write_at(squashfs->file, at, chunk, (size_t)n);
        if (code != 0)
            return squashfs_fail(squashfs->path, code, "copy file data", err);
        at += (uint64_t)n;
    }
    return 0;
}

/* They are copied with the data. Linux mounts no image with wrong ones, so the images that are added would
 * not be usable either. */
static int check_options(const struct squashfs_image *squashfs, const char *path, sqfs_file_t *file,
                         const sqfs_super_t *from, struct pe_error *err)
{
    if (!(squashfs->super.flags & SQFS_FLAG_COMPRESSOR_OPTIONS))
        return 0;
    int code = SQFS_ERROR_CORRUPTED;
    if (from->flags & SQFS_FLAG_COMPRESSOR_OPTIONS)
        code = squashfs->decompressor->read_options(squashfs->decompressor, file);
    return code == 0 ? 0 : squashfs_fail(path, code, "read the options of its compressor", err);
}

int squashfs_image_adopt(struct squashfs_image *squashfs, const char *path, struct pe_error *err)
{
    sqfs_super_t from;
    pe_autosquashfsfile sqfs_file_t *file = squashfs_super_open(path, &from, err);
    if (!file)
        return -1;
    if (from.compression_id != squashfs->super.compression_id || from.block_size != BLOCK_BYTES)
        return pe_fail(err, PE_ERR_INVALID,
                       "%s was not made by pe-image: it has another compressor or block size", path);
    if (check_options(squashfs, path, file, &from, err) < 0)
        return -1;
    int code = sqfs_frag_table_read(squashfs->fragments, file, &from, squashfs->decompressor);
    return code == 0 ? copy_data(squashfs, path, &from, err)
                     : squashfs_fail(path, code, "read its fragment table", err);
}

/* The tail of a file that is larger than a block becomes a block of its own, as in mksquashfs.
 * Linux 6.1 maps a tail wrongly if it is packed into a fragment together with other tails: when one
 * readahead spans the last full block and the fragment, squashfs_readahead fills the rest of the
 * last page with the following bytes of the fragment. mmap(2) promises zeroes there, and clang's
 * lexer relies on them. */
int squashfs_image_begin_file(struct squashfs_image *squashfs, struct tree_inode *inode, uint64_t size,
                              struct pe_error *err)
{
    sqfs_u32 flags = size > BLOCK_BYTES ? SQFS_BLK_DONT_FRAGMENT : 0;
    int code = sqfs_block_processor_begin_file(squashfs->data, &inode->content, NULL, flags);
    return code == 0 ? 0 : squashfs_fail(squashfs->path, code, "begin a file", err);
}

int squashfs_image_append(struct squashfs_image *squashfs, const void *bytes, size_t size,
                          struct pe_error *err)
{
    int code = sqfs_block_processor_append(squashfs->data, bytes, size);
    return code == 0 ? 0 : squashfs_fail(squashfs->path, code, "write a file's bytes", err);
}

int squashfs_image_end_file(struct squashfs_image *squashfs, struct pe_error *err)
{
    int code = sqfs_block_processor_end_file(squashfs->data);
    return code == 0 ? 0 : squashfs_fail(squashfs->path, code, "end a file", err);
}

static int write_tables(struct squashfs_image *squashfs, struct pe_error *err)
{
    int code =
        sqfs_frag_table_write(squashfs->fragments, squashfs->file, &squashfs->super, squashfs->compressor);
    if (code == 0)
        code = sqfs_id_table_write(squashfs->ids, squashfs->file, &squashfs->super, squashfs->compressor);
    if (code == 0)
        code =
            sqfs_xattr_writer_flush(squashfs->xattrs, squashfs->file, &squashfs->super, squashfs->compressor);
    return code == 0 ? 0 : squashfs_fail(squashfs->path, code, "write the tables", err);
}

int squashfs_image_finish(struct squashfs_image *squashfs, struct tree *tree, uint64_t *size,
                          struct pe_error *err)
{
    int code = sqfs_block_processor_finish(squashfs->data);
    if (code != 0)
        return squashfs_fail(squashfs->path, code, "write file data", err);
    if (squashfs_image_write_tree(squashfs, tree, err) < 0 || write_tables(squashfs, err) < 0)
        return -1;
    uint64_t used = squashfs->file->get_size(squashfs->file);
    squashfs->super.bytes_used = used;
    *size = (used + PE_PMEM_ALIGN - 1) / PE_PMEM_ALIGN * PE_PMEM_ALIGN;
    code = sqfs_super_write(&squashfs->super, squashfs->file);
    if (code == 0)
        code = squashfs->file->truncate(squashfs->file, *size);
    return code == 0 ? 0 : squashfs_fail(squashfs->path, code, "write the superblock", err);
}
