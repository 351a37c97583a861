/* SPDX-License-Identifier: Apache-2.0 */
/* The upgrade of a connection to a WebSocket (RFC 6455 section 4.1), as the client sees it. The server's
 * response is not trusted. */
#ifndef PE_NET_WEBSOCKET_UPGRADE_H
#define PE_NET_WEBSOCKET_UPGRADE_H

#include "base/error.h"
#include "net/connection.h"

#include <stdbool.h>
#include <stddef.h>

#define PE_UPGRADE_HEAD_MAX 8192u

struct pe_upgrade {
    const char *path, *host; /* target of the request, and value of Host */
    const char *headers;     /* further lines, each with its CRLF; may be "" */
    const char *peer;        /* the server's name in messages, as in "the balancer" */
    /* Called every 100 ms during a wait, unless it is NULL. A negative result, with `err` set, ends the
     * upgrade. */
    int (*attend)(void *context, struct pe_error *err);
    void *context; /* passed to `attend` */
};

struct pe_upgrade_response {
    bool is_upgraded;               /* status 101, with the answer to the request's key */
    long status;                    /* 0: there is none in its first line */
    char head[PE_UPGRADE_HEAD_MAX]; /* status line and header, up to the empty line; a NUL at the end */
};

/* Ask for the upgrade and wait up to 10 s for the head of the response, whatever its status is. No byte
 * behind the head is read. PE_ERR_LOST if nobody answers, PE_ERR_MALFORMED if the head is too long, or the
 * error of `attend`. */
int pe_websocket_upgrade(const struct pe_connection *connection, const struct pe_upgrade *upgrade,
                         struct pe_upgrade_response *response, struct pe_error *err) PE_MUST_CHECK;

/* Find the value of a field in a head. `name` is compared without regard to case. Returns a pointer into
 * `head`, and the value's size without white space around it; NULL if there is no such field. */
const char *pe_upgrade_field(const char *head, const char *name, size_t *size);

#endif
