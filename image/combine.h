/* Several images in one: their root filesystems under prefixes of one squashfs image, where equal files are
 * stored once. The first one's data is taken over as it lies, so that one more image can be added to a
 * combined one without writing the old data anew. */
#ifndef PE_IMAGE_COMBINE_H
#define PE_IMAGE_COMBINE_H

#include "base/error.h"
#include "image/progress.h"

#include <stddef.h>
#include <stdint.h>

struct combine_result {
    uint64_t before, after;              /* bytes of the rootfs files, each counted once */
    uint64_t shared_files, shared_bytes; /* that were in the first image already */
};

/* Combine the images of these names; the names then mean the parts of the new one. What loses its last name
 * thereby is removed. */
int combine_images(const char *store, char *const *names, size_t count, struct progress *progress,
                   struct combine_result *result, struct pe_error *err) PE_MUST_CHECK;

#endif
