/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket's connection to a server: made by libcurl as for every other request, with its proxies and its
 * TLS, and upgraded. */
#ifndef PE_CLI_HTTP_LINK_H
#define PE_CLI_HTTP_LINK_H

#include "cli/http_reply.h"
#include "cli/http_server.h"
#include "cli/transfer.h"
#include "net/connection.h"

struct http_link {
    struct transfer transfer;
    struct http_reply reply; /* of a server that does not upgrade */
    CURLM *multi;            /* owns the connection */
    struct pe_connection connection;
};

/* Connect to the server, and ask for the upgrade of GET `path` with the request id `id`. PE_ERR_LOST when
 * the server does not answer, PE_ERR_CANCELED after a signal, PE_ERR_UNSUPPORTED when it knows no such path,
 * and otherwise what response_check says about its reply. `server` must outlive the link, which the caller
 * closes, also after a failure. */
int http_link_open(struct http_link *link, const struct http_server *server, const char *path, const char *id,
                   struct pe_error *err) PE_MUST_CHECK;

/* Close the connection and free everything. */
void http_link_close(struct http_link *link);

#endif
