/* SPDX-License-Identifier: Apache-2.0 */
/* How a server is reached with libcurl: whose certificates are trusted, through which proxy, and what to do
 * if that fails. */
#ifndef PE_NET_ROUTE_H
#define PE_NET_ROUTE_H

#include "base/buffer.h"
#include "base/error.h"

#include <curl/curl.h>

struct pe_route {
    struct pe_buf ca; /* the only certificates that are trusted, PEM; empty: those of the system */
    const char
        *proxy; /* URL of an HTTP proxy; NULL: that of the environment (https_proxy and others), or none */
};

/* Read the file of --ca into route->ca, which the caller frees, also after a failure. PE_ERR_NOT_FOUND if
 * there is none, PE_ERR_INVALID if it has no certificate, PE_ERR_TOO_LARGE above 4 MiB, PE_ERR_INTERNAL if it
 * cannot be read. */
int pe_route_read_ca(struct pe_route *route, const char *file, struct pe_error *err) PE_MUST_CHECK;

/* Let a handle of libcurl use the route, which must outlive it. All servers are reached through the tunnel of
 * a proxy (CONNECT, RFC 9110 section 9.3.6). `why` is CURL_ERROR_SIZE bytes for pe_route_fail(). */
void pe_route_apply(const struct pe_route *route, CURL *curl, char *why);

/* Say what has failed and what to do about it: PE_ERR_LOST. `server` names it, as in "the balancer at URL".
 * Returns -1. */
int pe_route_fail(CURL *curl, CURLcode code, const char *why, const char *server, struct pe_error *err);

#endif
