/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a squashfs image of the store: its tree, and the contents of its files. */
#ifndef PE_IMAGE_SQUASHFS_READER_H
#define PE_IMAGE_SQUASHFS_READER_H

#include "base/error.h"
#include "image/tree.h"

#include <stddef.h>
#include <stdint.h>

struct squashfs_reader;

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

/* Add what is at `from` in the image ("" or a path) to `tree` at `to`, a clean path. The `content`
 * of a regular file says where its bytes are in this image. PE_ERR_MALFORMED when the image is
 * damaged. */
int squashfs_reader_read_tree(struct squashfs_reader *reader, const char *from, struct tree *tree,
                              const char *to, struct pe_error *err) PE_MUST_CHECK;

/* The size of a regular file in bytes. */
uint64_t squashfs_reader_file_size(const struct tree_inode *inode);

/* Read up to `size` bytes of a regular file from `offset`. Returns the number of bytes read, which
 * is less than `size` only at the end of the file, or -1. */
int64_t squashfs_reader_read_file(struct squashfs_reader *reader, const struct tree_inode *inode,
                                  uint64_t offset, void *bytes, size_t size,
                                  struct pe_error *err) PE_MUST_CHECK;

#endif
