/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request as a libcurl easy handle: its target, its credentials and its reply. http.c and
 * job_poll.c add it to a multi handle, which performs it. */
#ifndef PE_CLI_TRANSFER_H
#define PE_CLI_TRANSFER_H

#include "cli/event_stream.h"
#include "cli/http_reply.h"
#include "cli/http_server.h"

#include <curl/curl.h>
#include <stdbool.h>

struct transfer {
    CURL *curl;
    struct curl_slist *headers;
    curl_mime *mime;
    char *url;
    char why[CURL_ERROR_SIZE]; /* libcurl's error message */
    const struct http_server *server;
    struct http_reply *reply;
    struct event_stream *events; /* gets the body if it is a stream of events; NULL: none is expected */
    struct pe_error rejection;   /* why the body of the reply was rejected */
    bool is_rejected;
};

/* Prepare a GET request for `path`. The reply, whose body may have `limit` bytes, goes to `reply`.
 * `server` and `reply` must outlive the transfer. The caller frees both the transfer and the reply,
 * also after a failure. PE_ERR_INVALID when libcurl does not accept the server's URL or
 * credentials, PE_ERR_INTERNAL without memory. */
int transfer_begin(struct transfer *transfer, const struct http_server *server, const char *path,
                   size_t limit, struct http_reply *reply, struct pe_error *err) PE_MUST_CHECK;

/* Add a header. Both texts are copied. An empty value keeps libcurl from sending a header of that name.
 * PE_ERR_INTERNAL without memory. */
int transfer_header(struct transfer *transfer, const char *name, const char *value,
                    struct pe_error *err) PE_MUST_CHECK;

/* Complete the reply of a transfer that ended with `code`. PE_ERR_LOST when there is no reply,
 * PE_ERR_MALFORMED when it is too large. */
int transfer_finish(struct transfer *transfer, CURLcode code, struct pe_error *err) PE_MUST_CHECK;

/* Free what the transfer owns. It must not be part of a multi handle any more. */
void transfer_free(struct transfer *transfer);
#define autotransfer __attribute__((cleanup(transfer_free)))

#endif
