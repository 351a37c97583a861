/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching an image with skopeo(1), which supports registries and several other transports. */
#ifndef PE_IMAGE_PULL_H
#define PE_IMAGE_PULL_H

#include "base/error.h"
#include "image/oci_index.h"
#include "image/progress.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pull_options {
    const char *source;              /* as in "docker://gcc:14" */
    const struct oci_choice *choice; /* its reference is not used: the source names the image */
    const char *policy; /* a file policy.json, which says what must be signed by whom; NULL: the host's */
    bool plain_http;    /* allow HTTP, and HTTPS with an untrusted certificate */
    uint64_t bytes_max; /* limit for each file that is fetched */
};

/* Copy an image into a new OCI layout in the directory `layout`. If the source has images for several
 * platforms, the index is fetched first and image/oci_index.h chooses, because skopeo takes only an
 * image whose variant is named exactly. PE_ERR_NOT_FOUND when none can run. skopeo applies the policy
 * (containers-policy.json(5)) to what it copies; PE_ERR_INVALID when the policy refuses it, PE_ERR_INTERNAL
 * when skopeo fails otherwise, and the errors of oci_parse_document and oci_index_choose_platform. skopeo's
 * output goes to the terminal; when stderr is not a terminal, its last line becomes part of the error. */
int pull_layout(const struct pull_options *options, const char *layout, struct progress *progress,
                struct pe_error *err) PE_MUST_CHECK;

/* Write the catalog name for a docker:// source to `name`, which has `size` bytes. For
 * "docker://registry.example:5000/library/gcc:14@sha256:…" it is "gcc:14". PE_ERR_INVALID for other
 * transports, and when the result is not a valid name. */
int pull_name(const char *source, char *name, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* Check that a source names its image by the digest of the manifest, as docker://NAME@sha256:<64 hex> does:
 * skopeo then takes nothing but these bytes. PE_ERR_INVALID otherwise. */
int pull_check_digest(const char *source, struct pe_error *err) PE_MUST_CHECK;

#endif
