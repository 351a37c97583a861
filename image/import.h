/* pe-image import: a root filesystem's tar becomes an image of the store. */
#ifndef PE_IMAGE_IMPORT_H
#define PE_IMAGE_IMPORT_H

#include "base/error.h"
#include "proto/image.h"

/* Read the tar from `fd` (called `source` in messages), write its squashfs and the catalog entry into
 * `store`. `image` comes with everything but digest and rootfs_bytes, which are filled in. Steps are told on
 * stderr. */
int import_tar(const char *store, int fd, const char *source, struct pe_image *image,
               struct pe_error *err) PE_MUST_CHECK;

#endif
