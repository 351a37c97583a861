/* SPDX-License-Identifier: Apache-2.0 */
/* Importing an image: from any supported form to a rootfs and a catalog entry in the store. */
#ifndef PE_IMAGE_IMPORT_H
#define PE_IMAGE_IMPORT_H

#include "base/error.h"
#include "image/flatten.h"
#include "image/oci.h"
#include "image/progress.h"
#include "image/pull.h"
#include "proto/image.h"

#include <jansson.h>

struct import_options {
    const char *store;
    struct oci_choice choice;
    struct flatten_options flatten; /* `whiteouts` is ignored: it follows from the kind of source */
    json_t *overrides; /* fields of the catalog entry that override the image's own; includes "name"; owned by
                          the caller */
    struct progress *progress;
};

/* Import what is at `path`: an OCI layout (a directory), an archive of one, an archive of `docker
 * save`, or a tar of a root filesystem. "-" is standard input. `image` is zeroed first and receives
 * the new catalog entry; the caller frees it, also after a failure. PE_ERR_INTERNAL when the source cannot
 * be opened, and the errors of image/oci.h, image/flatten.h, image/catalog_entry.h and
 * image/store_writer.h. */
int import_path(const struct import_options *options, const char *source, struct pe_image *image,
                struct pe_error *err) PE_MUST_CHECK;

/* Fetch an image with skopeo and import it. `image` and errors as above, and the errors of pull_layout. */
int import_pull(const struct import_options *options, const struct pull_options *pull, struct pe_image *image,
                struct pe_error *err) PE_MUST_CHECK;

#endif
