/* What squash.c (file data, the whole) and squash_tree.c (inodes and directories) share, and nobody else. */
#ifndef PE_IMAGE_SQUASHFS_INTERNAL_H
#define PE_IMAGE_SQUASHFS_INTERNAL_H

#include "base/error.h"
#include "image/tree.h"

#include <sqfs/block_processor.h>
#include <sqfs/block_writer.h>
#include <sqfs/compressor.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/io.h>
#include <sqfs/super.h>
#include <sqfs/xattr_writer.h>

struct squash {
    const char *path;
    sqfs_super_t super;
    sqfs_file_t *file;
    sqfs_compressor_t *compressor;
    sqfs_compressor_t *decompressor; /* to compare fragments byte by byte before they are shared */
    sqfs_frag_table_t *fragments;
    sqfs_block_writer_t *blocks;
    sqfs_block_processor_t *data;
    sqfs_id_table_t *ids;
    sqfs_xattr_writer_t *xattrs;
};

/* Turn a libsquashfs error number into ours; `what` names what was being done. Returns -1. */
int squash_fail(const struct squash *squash, int code, const char *what, struct pe_error *err);

/* Append the inode and directory tables and set their places in the superblock. */
int squash_write_tree(struct squash *squash, struct tree *tree, struct pe_error *err) PE_MUST_CHECK;

#endif
