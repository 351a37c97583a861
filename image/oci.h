/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the documents that describe an image: those of the OCI image-spec (image-layout.md,
 * image-index.md, manifest.md, config.md), and the manifest.json of `docker save`. They are not
 * trusted; everything is checked. */
#ifndef PE_IMAGE_OCI_H
#define PE_IMAGE_OCI_H

#include "base/error.h"
#include "codec/sha256.h"
#include "image/oci_index.h"
#include "image/source.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define OCI_LAYERS_MAX 1024u

struct oci_layer {
    char *file;                          /* name in the source; owned */
    char digest[PE_SHA256_DIGEST_SIZE];  /* of the file; "" when unknown */
    char diff_id[PE_SHA256_DIGEST_SIZE]; /* digest of the unpacked tar */
    uint64_t size;                       /* bytes of the file; 0 when unknown */
};

struct oci_image {
    json_t *config;                            /* the configuration document; owned */
    char config_digest[PE_SHA256_DIGEST_SIZE]; /* digest of that document */
    struct oci_layer *layers;                  /* owned; lowest first */
    size_t layer_count;
};
/* Free what an image owns. */
void oci_image_free(struct oci_image *image);
#define pe_autooci __attribute__((cleanup(oci_image_free)))

/* Find the chosen image in `source` and read its documents. All digests are checked. `image` is
 * zeroed first; the caller frees it, also after a failure. PE_ERR_NOT_FOUND, listing the images
 * that exist, when none or several match the choice; PE_ERR_INVALID when it is for another platform;
 * PE_ERR_MALFORMED or PE_ERR_INVALID for wrong documents. */
int oci_read(const struct source *source, const struct oci_choice *choice, struct oci_image *image,
             struct pe_error *err) PE_MUST_CHECK;

#endif
