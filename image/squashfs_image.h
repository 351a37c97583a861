/* Writing a squashfs image: first the bytes of files as they come, then the tree that names them.
 *
 *   squashfs_image_create -> (squashfs_image_begin_file, squashfs_image_append...,
 * squashfs_image_end_file)... -> squashfs_image_finish -> squashfs_image_free
 *
 * zstd in blocks of 128 KiB, readable by Linux 6.1. The same files in the same order and the same tree give
 * the same bytes. */
#ifndef PE_IMAGE_SQUASHFS_IMAGE_H
#define PE_IMAGE_SQUASHFS_IMAGE_H

#include "base/error.h"
#include "image/tree.h"

#include <stddef.h>
#include <stdint.h>

struct squashfs_image;

/* Begin an image in a new file at `path`, using all of the machine's CPUs (at most 8) for compression. NULL
 * on failure. `path` must live as long as the object. */
struct squashfs_image *squashfs_image_create(const char *path, struct pe_error *err) PE_MUST_CHECK;
void squashfs_image_free(struct squashfs_image *squashfs);

static inline void squashfs_image_cleanup(struct squashfs_image **squashfs)
{
    squashfs_image_free(*squashfs);
}
#define pe_autosquashfs __attribute__((cleanup(squashfs_image_cleanup)))

/* Write the bytes, `size` of them, of a regular file. What becomes of them is kept in inode->content, which
 * is written to until squashfs_image_finish or squashfs_image_free: the inode must live that long. */
int squashfs_image_begin_file(struct squashfs_image *squashfs, struct tree_inode *inode, uint64_t size,
                              struct pe_error *err) PE_MUST_CHECK;
int squashfs_image_append(struct squashfs_image *squashfs, const void *bytes, size_t size,
                          struct pe_error *err) PE_MUST_CHECK;
int squashfs_image_end_file(struct squashfs_image *squashfs, struct pe_error *err) PE_MUST_CHECK;

/* Begin with the file data of another image at `path`, as it lies: inodes that were read from that one
 * (image/squashfs_reader.h) are valid in this one. Before any file is written. */
int squashfs_image_adopt(struct squashfs_image *squashfs, const char *path,
                         struct pe_error *err) PE_MUST_CHECK;

/* Write the tree and the tables, and pad the file with zeroes to a multiple of PE_PMEM_ALIGN. `*size` is the
 * file's, in bytes. */
int squashfs_image_finish(struct squashfs_image *squashfs, struct tree *tree, uint64_t *size,
                          struct pe_error *err) PE_MUST_CHECK;

#endif
