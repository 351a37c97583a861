/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing one image of an index (OCI image-spec image-index.md), as containerd does: the best
 * variant that the machine can run, and the first of several that are equal. Signatures,
 * attestations and other artifacts, which have descriptors like those of images, are not
 * candidates. */
#ifndef PE_IMAGE_OCI_INDEX_H
#define PE_IMAGE_OCI_INDEX_H

#include "base/error.h"
#include "image/oci_document.h"
#include "image/platform.h"
#include "image/source.h"

#include <jansson.h>
#include <stdbool.h>

struct oci_choice {
    struct platform machine; /* what the image has to run on */
    const char *reference;   /* which of several images: its annotation org.opencontainers.image.ref.name or
                                io.containerd.image.name, or one of Docker's RepoTags; NULL when there is
                                only one */
};

/* Find the chosen image in `index` and in the indexes that it refers to, which are read from
 * `source`. `*chosen` becomes the descriptor of its manifest. PE_ERR_NOT_FOUND, listing the images
 * that exist, when none matches the choice, or several with different names do; PE_ERR_MALFORMED or
 * PE_ERR_INVALID for wrong documents; PE_ERR_TOO_LARGE for too many descriptors. */
int oci_index_choose(const struct source *source, const json_t *index, const struct oci_choice *choice,
                     struct oci_descriptor *chosen, struct pe_error *err) PE_MUST_CHECK;

/* Find the platform of the image that oci_index_choose would choose, in an index without others
 * below it. `*platform` is written as in the index. Errors as above. */
int oci_index_choose_platform(const json_t *index, const struct oci_choice *choice, struct platform *platform,
                              struct pe_error *err) PE_MUST_CHECK;

/* True for the media type of a layer's tar that is part of the image. */
bool oci_is_layer_type(const char *media_type);

#endif
