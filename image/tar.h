/* Reading a root filesystem's tar archive into a tree and a squashfs image, in one pass. */
#ifndef PE_IMAGE_TAR_H
#define PE_IMAGE_TAR_H

#include "base/error.h"
#include "image/squash.h"
#include "image/tree.h"

#include <stdint.h>

struct tar_counts {
    uint64_t files;   /* regular files */
    uint64_t bytes;   /* of regular files */
    uint64_t dropped; /* device nodes, fifos and sockets, which a job has no use for, left out */
};

/* Read the tar (plain or compressed with gzip, bzip2, xz, lzma, zstd, lz4 or compress) from `fd`; `name` is
 * for messages. Members below /dev, /proc and /sys are left out. PE_ERR_MALFORMED when it is no tar or cut
 * short, PE_ERR_INVALID when a member's name is not allowed (image/tree.h). Says on stderr how far it is
 * every few seconds. */
int tar_read(int fd, const char *name, struct tree *tree, struct squash *squash, struct tar_counts *counts,
             struct pe_error *err) PE_MUST_CHECK;

#endif
