/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a tar in a file, compressed or not, with libarchive. image/source.c and
 * image/archive_kind.c read its members; layers, whose digests are checked, go through
 * image/stream.h instead. */
#ifndef PE_IMAGE_PACKED_TAR_H
#define PE_IMAGE_PACKED_TAR_H

#include "base/error.h"

struct archive;

/* Open the tar in the seekable file `fd`, from its start. `name` is used in messages. The caller
 * frees the archive with archive_read_free; `fd` stays open. NULL on failure; PE_ERR_MALFORMED when
 * the file is no tar. */
struct archive *packed_tar_open(int fd, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* Fail with PE_ERR_MALFORMED and what libarchive says about its last operation. */
int packed_tar_fail(struct archive *archive, const char *name, struct pe_error *err);

/* The function of the cleanup attribute below. */
void packed_tar_cleanup(struct archive **archive);
#define pe_autotar __attribute__((cleanup(packed_tar_cleanup)))

#endif
