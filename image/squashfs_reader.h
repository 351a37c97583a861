/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a squashfs image of the store: its tree, and the contents of its files. An image may come
 * from another host (pe-image sync), so it is not trusted: whatever it says, reading it ends, within
 * the limits that the caller gives, with a tree or with an error. Linux, which mounts the image in a
 * VM, is not protected by this. Every function can also fail with PE_ERR_INTERNAL, if the file cannot be
 * read or without memory. */
#ifndef PE_IMAGE_SQUASHFS_READER_H
#define PE_IMAGE_SQUASHFS_READER_H

#include "base/error.h"
#include "image/tree.h"

#include <stddef.h>
#include <stdint.h>

/* A limit for the names of all images that are combined. Each takes about 400 bytes of memory. */
#define SQUASHFS_NAMES_MAX 2000000u
/* A limit for their names, link targets, extended attributes and lists of blocks. */
#define SQUASHFS_METADATA_MAX (512u << 20)

struct squashfs_reader;

/* What may still be read. squashfs_reader_read_tree subtracts what it has read. */
struct squashfs_limits {
    uint64_t names_left;    /* names of files and directories */
    uint64_t metadata_left; /* bytes of names, link targets, extended attributes and lists of blocks */
    uint64_t bytes_left;    /* bytes of files, holes included; a file with several names counts once */
};

/* Open the image at `path`. The caller closes it. NULL on failure; PE_ERR_MALFORMED when the file
 * is damaged. */
struct squashfs_reader *squashfs_reader_open(const char *path, struct pe_error *err) PE_MUST_CHECK;
/* Close the image and free the reader; NULL is allowed. */
void squashfs_reader_close(struct squashfs_reader *reader);

/* The function of the cleanup attribute below. */
static inline void squashfs_reader_cleanup(struct squashfs_reader **reader)
{
    squashfs_reader_close(*reader);
}
#define pe_autosquashfsreader __attribute__((cleanup(squashfs_reader_cleanup)))

/* Add what is in the directory `from` of the image's root, or all of it for "", to `tree` at `to`, a
 * clean path without slashes. At `to` there must be nothing yet, unless it is "". The `content` of a
 * regular file says where its bytes are in this image. PE_ERR_MALFORMED when the image is damaged,
 * which includes a directory with two names, two entries with one name, and paths of more than 4095
 * bytes with `to` in front, and when it has no directory `from`; PE_ERR_TOO_LARGE beyond a limit;
 * PE_ERR_INVALID if there is something at `to`. */
int squashfs_reader_read_tree(struct squashfs_reader *reader, const char *from, struct tree *tree,
                              const char *to, struct squashfs_limits *limits,
                              struct pe_error *err) PE_MUST_CHECK;

/* The size of a regular file in bytes. */
uint64_t squashfs_reader_file_size(const struct tree_inode *inode);

/* Check that the blocks of a regular file are where file data belongs, in front of the inodes. Only
 * this part of an image may be copied without looking at it. PE_ERR_MALFORMED if they are not. */
int squashfs_reader_check_place(const struct squashfs_reader *reader, const struct tree_inode *inode,
                                struct pe_error *err) PE_MUST_CHECK;

/* Read up to `size` bytes of a regular file from `offset`. Returns the number of bytes read, which
 * is less than `size` only at the end of the file. PE_ERR_MALFORMED when the image is damaged. */
int64_t squashfs_reader_read_file(struct squashfs_reader *reader, const struct tree_inode *inode,
                                  uint64_t offset, void *bytes, size_t size,
                                  struct pe_error *err) PE_MUST_CHECK;

#endif
