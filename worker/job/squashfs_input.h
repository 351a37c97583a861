/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the metadata of a squashfs with libsquashfs. The file data are in memory already,
 * uncompressed. */
#ifndef PE_WORKER_JOB_SQUASHFS_INPUT_H
#define PE_WORKER_JOB_SQUASHFS_INPUT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define SQUASHFS_INPUT_DATA_START 96u /* size of the superblock in bytes; file data may start here */

/* One file: its path, whose components satisfy proto/path.h, and where its data are. A path that
 * ends in '/' is a directory, which may be empty. */
struct squashfs_input_file {
    const char *path;
    uint64_t offset, size; /* bytes */
    uint32_t mode;         /* permission bits */
};

/* What all files and directories have in common. */
struct squashfs_input_attributes {
    uint32_t mtime; /* s since 1970 */
    uint32_t uid, gid;
};

/* Write superblock, inodes and directories for `files` to `bytes`, which has room for `capacity`
 * bytes and holds file data up to `data_end`. The directories follow from the paths. Sorts `files`.
 * Fails with PE_ERR_INVALID if a path occurs twice or is both a file and a directory, and with
 * PE_ERR_TOO_LARGE if the metadata do not fit. */
int squashfs_input_write(uint8_t *bytes, size_t capacity, uint64_t data_end,
                         struct squashfs_input_file *files, size_t count,
                         const struct squashfs_input_attributes *attributes,
                         struct pe_error *err) PE_MUST_CHECK;

#endif
