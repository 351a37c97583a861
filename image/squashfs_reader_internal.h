/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that read a squashfs image share: squashfs_reader.c (the file), squashfs_super.c (the
 * superblock), squashfs_inode.c (one inode), squashfs_xattrs.c (its attributes) and squashfs_walk.c
 * (directories). squashfs_image.c and squashfs_compressor.c check the superblock of an image whose data
 * is copied. The layout is that of Linux's Documentation/filesystems/squashfs.rst; libsquashfs declares
 * it in its headers.
 *
 * libsquashfs allocates what an image asks for before it knows whether the image has that much, and
 * its directory reader follows directories that contain themselves in different ways. So only the
 * parts of it are used that have neither problem: reading metadata block by block, and reading blocks
 * of files. After a failure, none of its readers is used again.
 *
 * The functions fail with PE_ERR_MALFORMED when the image is damaged, and with PE_ERR_INTERNAL when it
 * cannot be read or without memory. Those that get limits also fail with PE_ERR_TOO_LARGE. */
#ifndef PE_IMAGE_SQUASHFS_READER_INTERNAL_H
#define PE_IMAGE_SQUASHFS_READER_INTERNAL_H

#include "base/error.h"
#include "image/squashfs_reader.h"
#include "image/tree.h"

#include <sqfs/compressor.h>
#include <sqfs/data_reader.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/meta_reader.h>
#include <sqfs/super.h>

#define SQUASHFS_NO_XATTR UINT32_MAX

/* The table of attribute sets. All are NULL or 0 when the image has none. */
struct squashfs_xattrs {
    uint64_t keys_start;      /* position of the first key */
    uint32_t count;           /* of sets */
    uint64_t *blocks;         /* positions of the metadata blocks with the sets; owned */
    sqfs_meta_reader_t *sets; /* owned */
    sqfs_meta_reader_t *keys; /* reads keys and values; owned */
};

struct squashfs_reader {
    char *path;
    sqfs_file_t *file;
    sqfs_super_t super;
    sqfs_compressor_t *decompressor;
    sqfs_id_table_t *ids;
    sqfs_frag_table_t *fragments;
    sqfs_meta_reader_t *inodes;
    sqfs_meta_reader_t *listings;
    sqfs_data_reader_t *data;
    struct squashfs_xattrs xattrs;
};

/* An inode as the image describes it. */
struct squashfs_inode {
    sqfs_inode_t base; /* `mode` has the file type, and `type` is a basic one */
    uint32_t xattrs;   /* number of its attribute set, or SQUASHFS_NO_XATTR */
    uint32_t device;   /* of a device node */
    struct {
        uint32_t block, size;
        uint16_t offset;
    } listing;                     /* of a directory */
    char *target;                  /* of a symbolic link; owned */
    sqfs_inode_generic_t *content; /* of a regular file; owned */
};
/* Free what an inode owns. */
void squashfs_inode_clear(struct squashfs_inode *inode);

/* Read the superblock, and check it against the size of the file and the limits. */
int squashfs_super_load(const char *path, sqfs_file_t *file, sqfs_super_t *super,
                        struct pe_error *err) PE_MUST_CHECK;

/* Open an image, and read its superblock in the same way. The caller frees the file with sqfs_destroy, or
 * with the attribute below. NULL on failure. */
sqfs_file_t *squashfs_super_open(const char *path, sqfs_super_t *super, struct pe_error *err) PE_MUST_CHECK;

/* The function of the cleanup attribute below. */
static inline void squashfs_file_cleanup(sqfs_file_t **file)
{
    sqfs_destroy(*file);
}
#define pe_autosquashfsfile __attribute__((cleanup(squashfs_file_cleanup)))

/* Read the inode at a reference: the position of its metadata block in the inode table, and in the
 * lower 16 bits the offset in the unpacked block. The caller clears it. */
int squashfs_inode_read(struct squashfs_reader *reader, uint64_t reference, struct squashfs_limits *limits,
                        struct squashfs_inode *inode, struct pe_error *err) PE_MUST_CHECK;

/* Read where the attribute sets are, if there are any. */
int squashfs_xattrs_open(struct squashfs_reader *reader, struct pe_error *err) PE_MUST_CHECK;
/* Free what the table owns. */
void squashfs_xattrs_close(struct squashfs_xattrs *xattrs);
/* Read the attribute set of this number and add it to `inode`. */
int squashfs_xattrs_read(struct squashfs_reader *reader, uint32_t number, struct squashfs_limits *limits,
                         struct tree_inode *inode, struct pe_error *err) PE_MUST_CHECK;

/* Subtract from limits->metadata_left. PE_ERR_TOO_LARGE beyond it. */
int squashfs_consume_metadata(const struct squashfs_reader *reader, struct squashfs_limits *limits,
                              uint64_t bytes, struct pe_error *err) PE_MUST_CHECK;

#endif
