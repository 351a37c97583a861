/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the root filesystem of an image as a tar, like `docker export`. */
#ifndef PE_IMAGE_EXPORT_H
#define PE_IMAGE_EXPORT_H

#include "base/error.h"
#include "proto/image.h"

#include <stdint.h>

/* Write a tar of an image of the store at `store` to `fd`. Sockets are left out. The same image gives
 * the same bytes. PE_ERR_TOO_LARGE when its files have more than `bytes_max` bytes, holes included;
 * PE_ERR_INTERNAL when `fd` cannot be written; and the errors of image/squashfs_reader.h. After a failure,
 * `fd` has the beginning of a tar. */
int export_tar(const char *store, const struct pe_image *image, uint64_t bytes_max, int fd,
               struct pe_error *err) PE_MUST_CHECK;

#endif
