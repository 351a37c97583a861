/* SPDX-License-Identifier: Apache-2.0 */
/* What squashfs_image.c (the file) and squashfs_tree.c (inodes and directories) share. No other
 * file includes this. */
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

struct squashfs_image {
    const char *path; /* the caller's */
    sqfs_super_t super;
    sqfs_file_t *file;
    sqfs_compressor_t *compressor;
    sqfs_compressor_t *decompressor; /* used to compare fragments before they are shared */
    sqfs_frag_table_t *fragments;
    sqfs_block_writer_t *blocks;
    sqfs_block_processor_t *data;
    sqfs_id_table_t *ids;
    sqfs_xattr_writer_t *xattrs;
};

/* Append the inode table and the directory table, and set their positions in the superblock. Fails as
 * squashfs_image_finish does. */
int squashfs_image_write_tree(struct squashfs_image *squashfs, struct tree *tree,
                              struct pe_error *err) PE_MUST_CHECK;

#endif
