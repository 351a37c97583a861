/* Reading a squashfs image of the store back: its tree, and the bytes of its files. */
#ifndef PE_IMAGE_SQUASHFS_READ_H
#define PE_IMAGE_SQUASHFS_READ_H

#include "base/error.h"
#include "image/tree.h"

#include <stddef.h>
#include <stdint.h>

struct unsquash;

/* Open the image at `path`, which must be one as image/squashfs_image.h writes them. NULL on failure. */
struct unsquash *unsquash_open(const char *path, struct pe_error *err) PE_MUST_CHECK;
void unsquash_close(struct unsquash *image);

static inline void unsquash_cleanup(struct unsquash **image)
{
    unsquash_close(*image);
}
#define pe_autounsquash __attribute__((cleanup(unsquash_cleanup)))

/* Put what lies at `from` ("" or a path in the image) into `tree` at `to`, a clean path. A file's `content`
 * says where its bytes are in this image. */
int unsquash_tree(struct unsquash *image, const char *from, struct tree *tree, const char *to,
                  struct pe_error *err) PE_MUST_CHECK;

/* The size of a file, and up to `size` of its bytes from `offset`: the number read, less only at the end. */
uint64_t unsquash_file_size(const struct tree_inode *inode);
int64_t unsquash_read(struct unsquash *image, const struct tree_inode *inode, uint64_t offset, void *bytes,
                      size_t size, struct pe_error *err) PE_MUST_CHECK;

#endif
