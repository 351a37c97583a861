/* SPDX-License-Identifier: Apache-2.0 */
/* One download over HTTP, with libcurl: into memory, or into a file, whose beginning may be there already.
 * The other host is not trusted: what it sends has a bound. */
#ifndef PE_IMAGE_DOWNLOAD_H
#define PE_IMAGE_DOWNLOAD_H

#include "base/buffer.h"
#include "base/error.h"
#include "image/progress.h"

#include <stdbool.h>
#include <stdint.h>

/* How another host is reached. */
struct download_route {
    const char *ca;    /* file with the only certificates to trust, PEM; NULL: those of the system */
    const char *proxy; /* URL of a proxy; NULL: that of the environment (https_proxy and others), or none */
    uint32_t stall_s;  /* a connection with less than 1 KiB/s for so long is given up; 0: 30 s */
};

struct download {
    const struct download_route *route;
    struct pe_buf *memory; /* where the bytes go, or NULL */
    int fd;                /* where they go otherwise, at its end */
    uint64_t bytes;        /* that are there already; then also those that have arrived */
    uint64_t bytes_max;
    long seconds_max; /* 0: no limit, except for standing still */
    struct progress *progress;
    bool may_continue; /* after a failure: another attempt may have more success */
};

/* Get a URL, or the rest of it if download->bytes is not 0. A server that sends all of it again is no
 * failure: the file is then written from its beginning. PE_ERR_LOST if the download fails, stands still for
 * route->stall_s or takes longer than seconds_max; PE_ERR_TOO_LARGE beyond the bound; PE_ERR_INTERNAL if the
 * file cannot be written. What has arrived stays where it is. */
int download_url(const char *url, struct download *download, struct pe_error *err) PE_MUST_CHECK;

#endif
