/* Writing a squashfs image: first the bytes of files as they come, then the tree that names them.
 *
 *   squash_create -> (squash_begin_file, squash_append..., squash_end_file)... -> squash_finish ->
 * squash_free
 *
 * zstd in blocks of 128 KiB, readable by Linux 6.1. The same files in the same order and the same tree give
 * the same bytes. */
#ifndef PE_IMAGE_SQUASHFS_IMAGE_H
#define PE_IMAGE_SQUASHFS_IMAGE_H

#include "base/error.h"
#include "image/tree.h"

#include <stddef.h>
#include <stdint.h>

struct squash;

/* Begin an image in a new file at `path`, using all of the machine's CPUs (at most 8) for compression. NULL
 * on failure. `path` must live as long as the object. */
struct squash *squash_create(const char *path, struct pe_error *err) PE_MUST_CHECK;
void squash_free(struct squash *squash);

static inline void squash_cleanup(struct squash **squash)
{
    squash_free(*squash);
}
#define pe_autosquash __attribute__((cleanup(squash_cleanup)))

/* Write the bytes, `size` of them, of a regular file. What becomes of them is kept in inode->content, which
 * is written to until squash_finish or squash_free: the inode must live that long. */
int squash_begin_file(struct squash *squash, struct tree_inode *inode, uint64_t size,
                      struct pe_error *err) PE_MUST_CHECK;
int squash_append(struct squash *squash, const void *bytes, size_t size, struct pe_error *err) PE_MUST_CHECK;
int squash_end_file(struct squash *squash, struct pe_error *err) PE_MUST_CHECK;

/* Begin with the file data of another image at `path`, as it lies: inodes that were read from that one
 * (image/squashfs_read.h) are valid in this one. Before any file is written. */
int squash_adopt(struct squash *squash, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Write the tree and the tables, and pad the file with zeroes to a multiple of PE_PMEM_ALIGN. `*size` is the
 * file's, in bytes. */
int squash_finish(struct squash *squash, struct tree *tree, uint64_t *size,
                  struct pe_error *err) PE_MUST_CHECK;

#endif
