/* Reading a squashfs image of the store back: its tree, and the bytes of its files. */
#ifndef PE_IMAGE_SQUASHFS_READER_H
#define PE_IMAGE_SQUASHFS_READER_H

#include "base/error.h"
#include "image/tree.h"

#include <stddef.h>
#include <stdint.h>

struct squashfs_reader;

/* Open the image at `path`, which must be one as image/squashfs_image.h writes them. NULL on failure. */
struct squashfs_reader *squashfs_reader_open(const char *path, struct pe_error *err) PE_MUST_CHECK;
void squashfs_reader_close(struct squashfs_reader *image);

static inline void squashfs_reader_cleanup(struct squashfs_reader **image)
{
    squashfs_reader_close(*image);
}
#define pe_autosquashfsreader __attribute__((cleanup(squashfs_reader_cleanup)))

/* Put what lies at `from` ("" or a path in the image) into `tree` at `to`, a clean path. A file's `content`
 * says where its bytes are in this image. */
int squashfs_reader_read_tree(struct squashfs_reader *image, const char *from, struct tree *tree,
                              const char *to, struct pe_error *err) PE_MUST_CHECK;

/* The size of a file, and up to `size` of its bytes from `offset`: the number read, less only at the end. */
uint64_t squashfs_reader_file_size(const struct tree_inode *inode);
int64_t squashfs_reader_read_file(struct squashfs_reader *image, const struct tree_inode *inode,
                                  uint64_t offset, void *bytes, size_t size,
                                  struct pe_error *err) PE_MUST_CHECK;

#endif
