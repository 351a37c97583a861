/* SPDX-License-Identifier: Apache-2.0 */
/* Telling an archive of an image (`docker save`, an OCI layout in a tar) from the tar of a root
 * filesystem. Many tools write archives of images, and each names the files in its own way; the
 * documents are what they have in common. So documents decide, and not the names of other
 * members. */
#ifndef PE_IMAGE_ARCHIVE_KIND_H
#define PE_IMAGE_ARCHIVE_KIND_H

#include "base/error.h"

#include <stdint.h>

enum archive_kind {
    ARCHIVE_OF_ROOTFS,
    ARCHIVE_OF_IMAGE, /* has the documents that image/oci.c reads */
};

/* Find out what the archive in the seekable file `fd` is. `name` is used in messages. PE_ERR_TOO_LARGE
 * when it unpacks to more than `bytes_max` bytes before that is clear; PE_ERR_MALFORMED when it is no tar
 * archive; PE_ERR_INVALID for an archive of an image that cannot be read: one of Docker before version 1.10,
 * and one whose documents are in a folder. */
int archive_find_kind(int fd, const char *name, uint64_t bytes_max, enum archive_kind *kind,
                      struct pe_error *err) PE_MUST_CHECK;

#endif
