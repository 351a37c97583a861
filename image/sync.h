/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching what a store lacks from another host's store over HTTP. A store consists of plain files, and
 * index.json lists its images, so any web server can serve it. */
#ifndef PE_IMAGE_SYNC_H
#define PE_IMAGE_SYNC_H

#include "base/error.h"
#include "image/download.h"
#include "image/progress.h"

#include <stddef.h>
#include <stdint.h>

struct sync_result {
    size_t fetched; /* names that are new in the store or have changed */
    size_t present; /* names that were in the store already, unchanged */
};

struct sync_options {
    const char *store;  /* where the images go */
    const char *url;    /* of the other store, without a trailing slash */
    uint64_t bytes_max; /* limit for the squashfs file of one image */
    struct download_route route;
    struct progress *progress;
};

/* Copy the `count` images of these names (NAME:TAG, or NAME:TAG@sha256:DIGEST), or all images when `count` is
 * 0. What the store has already is not fetched again, nor the part of a rootfs that was fetched before. Each
 * digest is checked before the image appears. The other host is not trusted: a limit holds for everything
 * that it sends. PE_ERR_NOT_FOUND for a name that the other store does not have, PE_ERR_LOST when a download
 * fails or stands still, PE_ERR_TOO_LARGE beyond a limit, PE_ERR_INVALID or PE_ERR_MALFORMED for wrong data,
 * and the errors of image/part.h and image/store_writer.h. What was fetched before a failure stays. */
int sync_images(const struct sync_options *options, char *const *names, size_t count,
                struct sync_result *result, struct pe_error *err) PE_MUST_CHECK;

#endif
