/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a tar: ustar headers, and pax headers (POSIX pax(1)) only where ustar has no room. Names
 * are written byte by byte, also those that are not UTF-8, as GNU tar writes them. libarchive adds
 * keywords to such names and to extended attributes that GNU tar does not know and warns about.
 *
 *   for each member: tar_writer_add, and for a file's contents tar_writer_append...
 *   tar_writer_finish
 *
 * The functions collect bytes, and write them now and then. They fail with PE_ERR_INTERNAL if the
 * descriptor cannot be written, or without memory. */
#ifndef PE_IMAGE_TAR_WRITER_H
#define PE_IMAGE_TAR_WRITER_H

#include "base/buffer.h"
#include "base/error.h"
#include "image/tree.h"

#include <stddef.h>
#include <stdint.h>

struct tar_writer {
    int fd;              /* the caller's */
    struct pe_buf bytes; /* not written yet */
    uint64_t left;       /* bytes of the current file that have not been appended */
    size_t padding;      /* zero bytes that follow it */
};
/* Free what a writer owns. What has not been written is lost. */
void tar_writer_free(struct tar_writer *writer);

/* Add a member. `path` is its name, of which directories end with a slash. `link` is the target of a
 * symbolic link, or, for a regular file, an earlier member of which it is another name; otherwise
 * NULL. `size` is the number of bytes of a regular file, which must be appended before the next
 * member. A socket is left out, because a tar cannot hold it. */
int tar_writer_add(struct tar_writer *writer, const char *path, const struct tree_inode *inode,
                   const char *link, uint64_t size, struct pe_error *err) PE_MUST_CHECK;

/* Append bytes of the file that was added last. PE_ERR_INTERNAL also for more than it was to have. */
int tar_writer_append(struct tar_writer *writer, const void *bytes, size_t size,
                      struct pe_error *err) PE_MUST_CHECK;

/* Write the end of the tar. */
int tar_writer_finish(struct tar_writer *writer, struct pe_error *err) PE_MUST_CHECK;

#endif
