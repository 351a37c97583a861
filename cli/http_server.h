/* SPDX-License-Identifier: Apache-2.0 */
/* A server, as this program reaches it. */
#ifndef PE_CLI_HTTP_SERVER_H
#define PE_CLI_HTTP_SERVER_H

#include "base/error.h"
#include "cli/progress.h"

#include <stdbool.h>

struct http_server {
    const char *url; /* "http://host:port", "https://host" or "unix:/path" */

    /* Every member below may be NULL. All belong to the caller. */
    const char *token;         /* API key, or a token for a proxy in front of the service */
    const char *cache_salt;    /* value of X-Cache-Salt */
    const char *job_key;       /* value of PE-Job-Key, for all requests about one job */
    const char *ca;            /* PEM file of certificates to trust instead of the system's */
    const char *cert, *key;    /* PEM files: the certificate and the key of this client */
    struct progress *progress; /* where the progress of a job is reported */
    /* Called about every 100 ms while a request is under way. A negative result, with `err` set,
     * aborts the request. */
    int (*check)(void *context, struct pe_error *err);
    void *context; /* passed to `check` */
};

/* Look for what ends a request: PE_ERR_CANCELED after a signal, or the error of `server->check`. Call
 * it at least every HTTP_ATTEND_EVERY_MS while a request is under way. */
int http_server_attend(const struct http_server *server, struct pe_error *err) PE_MUST_CHECK;
#define HTTP_ATTEND_EVERY_MS 100

/* True if a text looks like the URL of a server rather than like the name of a profile. */
bool http_is_url(const char *text);

/* Check the form of a server's URL. PE_ERR_INVALID when it is none of the forms of `url` above. */
int http_server_check(const char *url, struct pe_error *err) PE_MUST_CHECK;

/* True if requests to this server cross a network unencrypted, so that no secret may be in them. */
bool http_server_is_unencrypted(const char *url);

/* True if a text is one or more printable characters without spaces, and can be part of a header. */
bool http_is_printable(const char *text);

/* Check a value of X-Cache-Salt: printable as above, and at most PE_CACHE_SALT_MAX bytes.
 * PE_ERR_INVALID if it is not. */
int http_check_cache_salt(const char *salt, struct pe_error *err) PE_MUST_CHECK;

#endif
