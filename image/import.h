/* Taking an image in: whatever it comes as becomes a rootfs and a catalog entry of the store. */
#ifndef PE_IMAGE_IMPORT_H
#define PE_IMAGE_IMPORT_H

#include "base/error.h"
#include "image/flatten.h"
#include "image/oci.h"
#include "image/progress.h"
#include "image/pull.h"
#include "proto/image.h"

#include <jansson.h>

/* The most that an image may unpack to unless somebody says otherwise: four times what large ones have. */
#define IMPORT_BYTES_MAX (32ull << 30)

struct import_options {
    const char *store;
    struct oci_choice choice;
    struct flatten_options flatten; /* `whiteouts` is set by what the source turns out to be */
    json_t *overrides; /* fields of the catalog entry that override the image's own; has "name" */
    struct progress *progress;
};

/* From an OCI layout (a directory), an archive of one or of `docker save`, or a root filesystem's tar, in
 * `source`, "-" being standard input. `image` is the new catalog entry, the caller's to free; zeroed first.
 */
int import_path(const struct import_options *options, const char *source, struct pe_image *image,
                struct pe_error *err) PE_MUST_CHECK;

/* From whatever skopeo can fetch. */
int import_pull(const struct import_options *options, const struct pull_options *pull, struct pe_image *image,
                struct pe_error *err) PE_MUST_CHECK;

#endif
