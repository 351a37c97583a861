/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a tar in a file, compressed or not, with libarchive. image/source.c and
 * image/archive_kind.c read its members; layers, whose digests are checked, go through
 * image/stream.h instead. */
#ifndef PE_IMAGE_PACKED_TAR_H
#define PE_IMAGE_PACKED_TAR_H

#include "base/error.h"

#include <stdint.h>

struct archive;
struct archive_entry;

/* Open the tar in the seekable file `fd`, from its start. `name` is used in messages. The caller
 * frees the archive with archive_read_free; `fd` stays open. NULL on failure; PE_ERR_MALFORMED when
 * the file is no tar, PE_ERR_INVALID when it is compressed more than once, PE_ERR_INTERNAL without memory
 * or when `fd` cannot be read. */
struct archive *packed_tar_open(int fd, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* Fail with PE_ERR_INVALID if an archive that has just been opened is compressed more than once. What
 * is between two compressions can be a million times as large as the file, without being counted. */
int packed_tar_check_filters(struct archive *archive, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* Skip what is left of the member `*entry`, unless it is NULL, and read the header of the next one.
 * Returns 1 for a member, which belongs to the archive, and 0 at the end. PE_ERR_TOO_LARGE when the tar has
 * unpacked to more than
 * `bytes_max` bytes, PE_ERR_MALFORMED when it is damaged. */
int packed_tar_next(struct archive *archive, const char *name, uint64_t bytes_max,
                    struct archive_entry **entry, struct pe_error *err) PE_MUST_CHECK;

/* Set `err` to PE_ERR_MALFORMED and what libarchive says about its last operation. Returns -1. */
int packed_tar_fail(struct archive *archive, const char *name, struct pe_error *err);

/* The function of the cleanup attribute below. */
void packed_tar_cleanup(struct archive **archive);
#define pe_autotar __attribute__((cleanup(packed_tar_cleanup)))

#endif
