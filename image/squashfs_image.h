/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a squashfs image: first the contents of all files, then the tree that names them.
 *
 *   squashfs_image_create
 *   for each file: squashfs_image_begin_file, squashfs_image_append..., squashfs_image_end_file
 *   squashfs_image_finish
 *   squashfs_image_free
 *
 * Blocks of 128 KiB, readable by Linux 6.1. The same files in the same order and the same tree give
 * the same bytes, with one version of the compressor's library.
 *
 * Failures of libsquashfs are those of squashfs_fail (image/squashfs_error.h): PE_ERR_INTERNAL without
 * memory, or if the file cannot be written, as on a full disk. After a failure only
 * squashfs_image_free may follow. */
#ifndef PE_IMAGE_SQUASHFS_IMAGE_H
#define PE_IMAGE_SQUASHFS_IMAGE_H

#include "base/error.h"
#include "image/squashfs_compressor.h"
#include "image/tree.h"

#include <stddef.h>
#include <stdint.h>

struct squashfs_image;

/* Create an image file at `path`. One thread per CPU, at most 8, compresses the data. `path` must
 * stay valid as long as the object. The caller frees the object. NULL on failure. */
struct squashfs_image *squashfs_image_create(const char *path, enum squashfs_compressor compressor,
                                             struct pe_error *err) PE_MUST_CHECK;
/* Stop the threads and free the object. The file stays, complete or not. */
void squashfs_image_free(struct squashfs_image *squashfs);

/* The function of the cleanup attribute below. */
static inline void squashfs_image_cleanup(struct squashfs_image **squashfs)
{
    squashfs_image_free(*squashfs);
}
#define pe_autosquashfs __attribute__((cleanup(squashfs_image_cleanup)))

/* Write the contents of a regular file, `size` bytes in total. inode->content is set to where they
 * are. The threads write to it until squashfs_image_finish or squashfs_image_free, so the inode
 * must stay valid until then. */
int squashfs_image_begin_file(struct squashfs_image *squashfs, struct tree_inode *inode, uint64_t size,
                              struct pe_error *err) PE_MUST_CHECK;
int squashfs_image_append(struct squashfs_image *squashfs, const void *bytes, size_t size,
                          struct pe_error *err) PE_MUST_CHECK;
int squashfs_image_end_file(struct squashfs_image *squashfs, struct pe_error *err) PE_MUST_CHECK;

/* Copy the compressed file data of another image at `path`. Inodes that were read from that image
 * (image/squashfs_reader.h) are valid in this one. Call this before any file is written.
 * PE_ERR_INVALID when the image was not made by pe-image with the same compressor, PE_ERR_MALFORMED when it
 * is damaged, PE_ERR_INTERNAL when it cannot be read. */
int squashfs_image_adopt(struct squashfs_image *squashfs, const char *path,
                         struct pe_error *err) PE_MUST_CHECK;

/* Write the tree and the tables, and pad the file with zeroes to a multiple of PE_PMEM_ALIGN.
 * `*size` is set to the size of the file in bytes. PE_ERR_INTERNAL also for more than 65536 different
 * owners. */
int squashfs_image_finish(struct squashfs_image *squashfs, struct tree *tree, uint64_t *size,
                          struct pe_error *err) PE_MUST_CHECK;

#endif
