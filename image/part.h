/* SPDX-License-Identifier: Apache-2.0 */
/* A rootfs that is fetched from another host. The part that has arrived is in a file of the store,
 * STORE/.part-<digest hex>, which survives faults of the network and the end of the process. */
#ifndef PE_IMAGE_PART_H
#define PE_IMAGE_PART_H

#include "base/error.h"
#include "image/download.h"
#include "image/progress.h"
#include "proto/image.h"

/* Fetch from `url` what is missing of an image's rootfs, check its digest, and move the file to `target`,
 * which is in the same file system. Faults of the network are waited for, as long as attempts bring
 * something. After that PE_ERR_LOST, and the part is kept. Anything else that is wrong removes it:
 * PE_ERR_INVALID for another digest, PE_ERR_TOO_LARGE for more bytes than the image has. PE_ERR_BUSY if
 * another process fetches it, PE_ERR_INTERNAL if the part cannot be written, read or moved. */
int part_fetch(const char *store, const char *url, const struct pe_image *image,
               const struct download_route *route, struct progress *progress, const char *target,
               struct pe_error *err) PE_MUST_CHECK;

#endif
