/* An image's root filesystem as a tar, as `docker export` writes it. */
#ifndef PE_IMAGE_EXPORT_H
#define PE_IMAGE_EXPORT_H

#include "base/error.h"
#include "proto/image.h"

/* Write the pax tar of an image of the store to `fd`. The same image gives the same bytes. */
int export_tar(const char *store, const struct pe_image *image, int fd, struct pe_error *err) PE_MUST_CHECK;

#endif
