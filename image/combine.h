/* SPDX-License-Identifier: Apache-2.0 */
/* Combining images: one squashfs image with the root filesystem of each image in a directory of its
 * own. Files with equal contents are stored once. The data of the first image is copied without
 * compressing it again, so adding an image to a combined one is cheap. */
#ifndef PE_IMAGE_COMBINE_H
#define PE_IMAGE_COMBINE_H

#include "base/error.h"
#include "image/progress.h"

#include <stddef.h>
#include <stdint.h>

struct combine_result {
    uint64_t before, after; /* total bytes of the rootfs files; a file with several names counts once */
    uint64_t shared_files, shared_bytes; /* files that the first image already had, and their bytes */
};

struct combine_options {
    const char *store;
    uint64_t bytes_max; /* limit for the bytes of the files of each image, holes included */
    struct progress *progress;
};

/* Combine the `count` images of these names, 2 to 64. Afterwards the names refer to the parts of
 * the new image, and rootfs files that have no name any more are deleted. PE_ERR_NOT_FOUND for an
 * unknown name, PE_ERR_INVALID when two images cannot be in one file, and the errors of
 * image/squashfs_reader.h and image/store_writer.h. Until the new image is published, the store stays as
 * it was. */
int combine_images(const struct combine_options *options, char *const *names, size_t count,
                   struct combine_result *result, struct pe_error *err) PE_MUST_CHECK;

#endif
