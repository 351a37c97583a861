/* The squashfs image as a whole: its file, superblock, file data and tables. Inodes and directories are in
 * squash_tree.c. */
#include "image/squashfs_image.h"

#include "base/cleanup.h"
#include "image/squashfs_internal.h"
#include "proto/limits.h"

#include <fcntl.h>
#include <sqfs/block.h>
#include <sqfs/error.h>
#include <stdlib.h>
#include <unistd.h>

/* A page fault in the guest unpacks one whole block. Smaller ones compress worse and make the host read more,
 * larger ones make a fault wait for bytes that nobody asked for; this is also the kernel's usual size. */
#define BLOCK_BYTES (128u * 1024u)
/* Unpacking costs the same at every level; this one is made once per image. */
#define ZSTD_LEVEL 15
/* Blocks waiting per compressing thread. */
#define BACKLOG_PER_WORKER 10
#define WORKERS_MAX 8
#define COPY_BYTES (1u << 20)

static const char *code_text(int code)
{
    switch (code) {
    case SQFS_ERROR_ALLOC:
        return "out of memory";
    case SQFS_ERROR_IO:
        return "the file could not be read or written (is the disk full?)";
    case SQFS_ERROR_COMPRESSOR:
        return "compression failed";
    case SQFS_ERROR_UNSUPPORTED:
        return "this libsquashfs was built without zstd";
    case SQFS_ERROR_OVERFLOW:
        return "a number does not fit the format";
    default:
        return "libsquashfs failed";
    }
}

int squash_fail(const struct squash *squash, int code, const char *what, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INTERNAL, "%s: %s: %s (%d)", squash->path, what, code_text(code), code);
}

void squash_free(struct squash *squash)
{
    if (!squash)
        return;
    /* The data processor first: its threads use all the others. */
    sqfs_destroy(squash->data);
    sqfs_destroy(squash->blocks);
    sqfs_destroy(squash->fragments);
    sqfs_destroy(squash->ids);
    sqfs_destroy(squash->xattrs);
    sqfs_destroy(squash->decompressor);
    sqfs_destroy(squash->compressor);
    sqfs_destroy(squash->file);
    free(squash);
}

static int create_compressors(struct squash *squash, struct pe_error *err)
{
    sqfs_compressor_config_t config;
    int code = sqfs_compressor_config_init(&config, SQFS_COMP_ZSTD, BLOCK_BYTES, 0);
    config.level = ZSTD_LEVEL;
    if (code == 0)
        code = sqfs_compressor_create(&config, &squash->compressor);
    config.flags |= SQFS_COMP_FLAG_UNCOMPRESS;
    if (code == 0)
        code = sqfs_compressor_create(&config, &squash->decompressor);
    return code == 0 ? 0 : squash_fail(squash, code, "making a zstd compressor", err);
}

/* The superblock is written twice: now as a place holder, in the end with what is known then. */
static int write_head(struct squash *squash, struct pe_error *err)
{
    squash->file = sqfs_open_file(squash->path, SQFS_FILE_OPEN_OVERWRITE);
    if (!squash->file)
        return pe_fail_errno(err, "creating %s", squash->path);
    int code = sqfs_super_init(&squash->super, BLOCK_BYTES, 0, SQFS_COMP_ZSTD);
    if (code == 0)
        code = sqfs_super_write(&squash->super, squash->file);
    if (code == 0)
        code = squash->compressor->write_options(squash->compressor, squash->file);
    if (code < 0)
        return squash_fail(squash, code, "writing the superblock", err);
    if (code > 0)
        squash->super.flags |= SQFS_FLAG_COMPRESSOR_OPTIONS;
    return 0;
}

static int create_data_processor(struct squash *squash, struct pe_error *err)
{
    squash->blocks = sqfs_block_writer_create(squash->file, SQFS_DEVBLK_SIZE, 0);
    squash->fragments = sqfs_frag_table_create(0);
    squash->ids = sqfs_id_table_create(0);
    squash->xattrs = sqfs_xattr_writer_create(0);
    if (!squash->blocks || !squash->fragments || !squash->ids || !squash->xattrs)
        return squash_fail(squash, SQFS_ERROR_ALLOC, "making its tables", err);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = cpus < 1 ? 1 : cpus > WORKERS_MAX ? WORKERS_MAX : (unsigned)cpus;
    const sqfs_block_processor_desc_t description = {
        .size = sizeof description,
        .max_block_size = BLOCK_BYTES,
        .num_workers = workers,
        .max_backlog = workers * BACKLOG_PER_WORKER,
        .cmp = squash->compressor,
        .wr = squash->blocks,
        .tbl = squash->fragments,
        .file = squash->file,
        .uncmp = squash->decompressor,
    };
    int code = sqfs_block_processor_create_ex(&description, &squash->data);
    return code == 0 ? 0 : squash_fail(squash, code, "starting the compressors", err);
}

struct squash *squash_create(const char *path, struct pe_error *err)
{
    pe_autosquash struct squash *squash = calloc(1, sizeof *squash);
    if (!squash) {
        pe_fail_errno(err, "%s", path);
        return NULL;
    }
    squash->path = path;
    if (create_compressors(squash, err) < 0 || write_head(squash, err) < 0 ||
        create_data_processor(squash, err) < 0)
        return NULL;
    return pe_steal_ptr(&squash);
}

/* Up to its inodes, an image is the superblock, compressor options and file data. */
static int copy_data(struct squash *squash, const char *path, const sqfs_super_t *from, struct pe_error *err)
{
    static uint8_t chunk[COPY_BYTES];
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "opening %s", path);
    for (uint64_t at = 0; at < from->inode_table_start;) {
        uint64_t left = from->inode_table_start - at;
        ssize_t n = pread(fd, chunk, left < COPY_BYTES ? (size_t)left : COPY_BYTES, (off_t)at);
        if (n <= 0)
            return n < 0 ? pe_fail_errno(err, "reading %s", path)
                         : pe_fail(err, PE_ERR_MALFORMED, "%s is cut short", path);
        int code = squash->file->write_at(squash->file, at, chunk, (size_t)n);
        if (code != 0)
            return squash_fail(squash, code, "copying file data", err);
        at += (uint64_t)n;
    }
    return 0;
}

static void destroy_file(sqfs_file_t **file)
{
    sqfs_destroy(*file);
}

int squash_adopt(struct squash *squash, const char *path, struct pe_error *err)
{
    __attribute__((cleanup(destroy_file))) sqfs_file_t *file = sqfs_open_file(path, SQFS_FILE_OPEN_READ_ONLY);
    sqfs_super_t from;
    if (!file)
        return pe_fail_errno(err, "opening %s", path);
    int code = sqfs_super_read(&from, file);
    if (code != 0)
        return squash_fail(squash, code, "reading the first image", err);
    if (from.compression_id != SQFS_COMP_ZSTD || from.block_size != BLOCK_BYTES)
        return pe_fail(err, PE_ERR_INVALID, "%s was not made by pe-image", path);
    code = sqfs_frag_table_read(squash->fragments, file, &from, squash->decompressor);
    return code == 0 ? copy_data(squash, path, &from, err)
                     : squash_fail(squash, code, "reading the first image", err);
}

/* The end of a large file becomes a block of its own, as mksquashfs does it too. Packed with other files'
 * ends in a fragment, Linux 6.1 maps it wrongly: where one readahead spans the block before it and the
 * fragment, squashfs_readahead fills the last page, behind the file's end, with what comes next in the
 * fragment instead of zeroes (mmap(2) promises these, and clang's lexer reads on to the first one). */
int squash_begin_file(struct squash *squash, struct tree_inode *inode, uint64_t size, struct pe_error *err)
{
    sqfs_u32 flags = size > BLOCK_BYTES ? SQFS_BLK_DONT_FRAGMENT : 0;
    int code = sqfs_block_processor_begin_file(squash->data, &inode->content, NULL, flags);
    return code == 0 ? 0 : squash_fail(squash, code, "beginning a file", err);
}

int squash_append(struct squash *squash, const void *bytes, size_t size, struct pe_error *err)
{
    int code = sqfs_block_processor_append(squash->data, bytes, size);
    return code == 0 ? 0 : squash_fail(squash, code, "writing a file's bytes", err);
}

int squash_end_file(struct squash *squash, struct pe_error *err)
{
    int code = sqfs_block_processor_end_file(squash->data);
    return code == 0 ? 0 : squash_fail(squash, code, "ending a file", err);
}

static int write_tables(struct squash *squash, struct pe_error *err)
{
    int code = sqfs_frag_table_write(squash->fragments, squash->file, &squash->super, squash->compressor);
    if (code == 0)
        code = sqfs_id_table_write(squash->ids, squash->file, &squash->super, squash->compressor);
    if (code == 0)
        code = sqfs_xattr_writer_flush(squash->xattrs, squash->file, &squash->super, squash->compressor);
    return code == 0 ? 0 : squash_fail(squash, code, "writing the tables", err);
}

int squash_finish(struct squash *squash, struct tree *tree, uint64_t *size, struct pe_error *err)
{
    int code = sqfs_block_processor_finish(squash->data);
    if (code != 0)
        return squash_fail(squash, code, "writing file data", err);
    if (squash_write_tree(squash, tree, err) < 0 || write_tables(squash, err) < 0)
        return -1;
    uint64_t used = squash->file->get_size(squash->file);
    squash->super.bytes_used = used;
    *size = (used + PE_PMEM_ALIGN - 1) / PE_PMEM_ALIGN * PE_PMEM_ALIGN;
    code = sqfs_super_write(&squash->super, squash->file);
    if (code == 0)
        code = squash->file->truncate(squash->file, *size);
    return code == 0 ? 0 : squash_fail(squash, code, "writing the superblock", err);
}
