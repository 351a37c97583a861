/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the root filesystem of an image as a tar, like `docker export`. */
#ifndef PE_IMAGE_EXPORT_H
#define PE_IMAGE_EXPORT_H

#include "base/error.h"
#include "proto/image.h"

/* Write a tar of an image of the store at `store` to `fd`. Sockets are left out. The same image gives
 * the same bytes. */
int export_tar(const char *store, const struct pe_image *image, int fd, struct pe_error *err) PE_MUST_CHECK;

#endif
