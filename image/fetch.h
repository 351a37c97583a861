/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching images from another host's store over HTTP. A store consists of plain files, and
 * index.json lists its images, so any web server can serve it. */
#ifndef PE_IMAGE_FETCH_H
#define PE_IMAGE_FETCH_H

#include "base/error.h"
#include "image/progress.h"

#include <stddef.h>

struct fetch_result {
    size_t fetched; /* names that are new in the store or have changed */
    size_t present; /* names that were in the store already, unchanged */
};

/* Copy the `count` images of these names, or all images when `count` is 0, from the store at `url`
 * (without a trailing slash) into `store`. Each digest is checked before the image appears.
 * PE_ERR_NOT_FOUND for a name that the other store does not have, PE_ERR_LOST when a download
 * fails, PE_ERR_INVALID or PE_ERR_MALFORMED for wrong data. */
int fetch_images(const char *store, const char *url, char *const *names, size_t count,
                 struct progress *progress, struct fetch_result *result, struct pe_error *err) PE_MUST_CHECK;

#endif
