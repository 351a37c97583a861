/* Writing the metadata of a squashfs whose file data already lie uncompressed in memory, with libsquashfs. */
#ifndef PE_WORKER_SQUASHFS_INPUT_H
#define PE_WORKER_SQUASHFS_INPUT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define SQUASHFS_INPUT_DATA_START 96u /* bytes: the superblock's size; file data may start here */

/* One file: its path (components in the form of proto/path.h) and where its bytes lie. */
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

/* Write inodes, directories and the superblock for `files`, with file data ending at `data_end`, into `bytes`
 * of `capacity`. Sorts `files`. Directories come from the paths; a path that ends in '/' is a directory that
 * may be empty. PE_ERR_INVALID when a path stands twice
 * or is a file and a directory, PE_ERR_TOO_LARGE when the metadata do not fit. */
int squashfs_input_write(uint8_t *bytes, size_t capacity, uint64_t data_end,
                         struct squashfs_input_file *files, size_t count,
                         const struct squashfs_input_attributes *attributes,
                         struct pe_error *err) PE_MUST_CHECK;

#endif
