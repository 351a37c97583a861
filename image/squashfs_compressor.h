/* SPDX-License-Identifier: Apache-2.0 */
/* The compressors of squashfs images. */
#ifndef PE_IMAGE_SQUASHFS_COMPRESSOR_H
#define PE_IMAGE_SQUASHFS_COMPRESSOR_H

#include "base/error.h"

#include <sqfs/compressor.h>
#include <sqfs/super.h>
#include <stdint.h>

/* A job waits while its VM unpacks the files that it reads for the first time, so images are compressed with
 * lz4: it unpacks several times faster than zstd, and packs many times faster. With zstd they are smaller
 * (docs/images.md). */
enum squashfs_compressor { SQUASHFS_LZ4, SQUASHFS_ZSTD };

/* The compressor with this name, "lz4" or "zstd". PE_ERR_INVALID for any other name. */
int squashfs_compressor_parse(const char *name, enum squashfs_compressor *compressor,
                              struct pe_error *err) PE_MUST_CHECK;

/* The compressor with which the image at `path` was made. PE_ERR_INVALID if it was not made by pe-image,
 * PE_ERR_MALFORMED when it is damaged, PE_ERR_INTERNAL when it cannot be read. */
int squashfs_compressor_of(const char *path, enum squashfs_compressor *compressor,
                           struct pe_error *err) PE_MUST_CHECK;

/* Its number in the superblock. */
SQFS_COMPRESSOR squashfs_compressor_id(enum squashfs_compressor compressor);

/* Make the objects of libsquashfs that pack and unpack blocks of at most `block_bytes`. sqfs_destroy frees
 * them. Returns 0 or an error of libsquashfs; what was made by then stays in the pointers. */
int squashfs_compressor_make(enum squashfs_compressor compressor, uint32_t block_bytes,
                             sqfs_compressor_t **pack, sqfs_compressor_t **unpack) PE_MUST_CHECK;

#endif
