/* Fetching an image: skopeo does it, from every transport that it knows. */
#ifndef PE_IMAGE_PULL_H
#define PE_IMAGE_PULL_H

#include "base/error.h"
#include "image/progress.h"

#include <stdbool.h>
#include <stddef.h>

struct pull_options {
    const char *source;       /* "docker://gcc:14" */
    const char *architecture; /* as OCI names it */
    bool plain_http;          /* a registry without TLS, or with a certificate that nobody knows */
};

/* Copy the image into a new OCI layout in the directory `layout`. What skopeo says goes to a terminal, or
 * into the error. */
int pull_layout(const struct pull_options *options, const char *layout, struct progress *progress,
                struct pe_error *err) PE_MUST_CHECK;

/* The catalog's name for a source: "docker://registry.example:5000/library/gcc:14@sha256:…" is "gcc:14", and
 * of others the name is what stands after the last colons that looks like one. PE_ERR_INVALID when there is
 * none. */
int pull_name(const char *source, char *name, size_t size, struct pe_error *err) PE_MUST_CHECK;

#endif
