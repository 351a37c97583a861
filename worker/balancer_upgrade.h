/* SPDX-License-Identifier: Apache-2.0 */
/* The upgrade of a connection to a WebSocket (RFC 6455 section 4.1). The balancer's response is not
 * trusted. */
#ifndef PE_WORKER_BALANCER_UPGRADE_H
#define PE_WORKER_BALANCER_UPGRADE_H

#include "base/error.h"

#include <curl/curl.h>

struct balancer_connection {
    CURL *curl; /* NULL: a UNIX socket that is used without libcurl */
    int socket;
};

/* Ask for the upgrade at `path`, and wait for it. `token` is the bearer token, or "". No byte behind the
 * response is read. PE_ERR_LOST if nobody answers or the upgrade is refused, PE_ERR_INVALID if the token is
 * refused, PE_ERR_MALFORMED if the response is too long. */
int balancer_upgrade(const struct balancer_connection *connection, const char *path, const char *token,
                     struct pe_error *err) PE_MUST_CHECK;

#endif
