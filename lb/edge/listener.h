/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: TCP and UNIX. What happens to accepted connections is
 * lb/edge/connection.h's part. */
#ifndef PE_LB_EDGE_LISTENER_H
#define PE_LB_EDGE_LISTENER_H

#include "base/error.h"
#include "base/list.h"
#include "lb/edge/connection.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>
#include <stddef.h>

struct listeners {
    struct connections *connections;
    h2o_accept_ctx_t plain, tls;
    struct pe_list open;
    h2o_timeout_t pause;
    h2o_timeout_entry_t pause_entry;
};

/* `ctx`, `hosts` (of libh2o's configuration) and `connections` must outlive `listeners`, which
 * must stay where it is. */
void listeners_init(struct listeners *listeners, h2o_context_t *ctx, h2o_hostconf_t **hosts,
                    struct connections *connections);

/* Use a TLS context for connections that are accepted from now on. Takes over the reference. */
void listeners_set_tls(struct listeners *listeners, SSL_CTX *context);

/* Listen on "HOST:PORT" ("*:PORT" for every address, "[::1]:PORT" for IPv6) or "unix:PATH", with
 * or without TLS. Another pe-lb may listen on the same port; the kernel then spreads connections
 * over both. A socket file on which nobody listens is replaced, one in use is PE_ERR_BUSY.
 * PE_ERR_INVALID if `where` is malformed, its host is unknown, or the path is no socket; PE_ERR_INTERNAL
 * with the error of bind(2) or listen(2), as for a port that is in use. */
int listeners_open(struct listeners *listeners, const char *where, bool tls,
                   struct pe_error *err) PE_MUST_CHECK;

/* Whether listeners_open could work with this address, as far as that can be seen without listening: a TCP
 * address is bound for a moment, and a folder for a UNIX socket must be writable. Errors are those of
 * listeners_open. */
int listeners_try(const char *where, struct pe_error *err) PE_MUST_CHECK;

/* Listen on the sockets that systemd passes (sd_listen_fds(3)), with TLS on sockets named "tls".
 * Returns their number. PE_ERR_INVALID if systemd's variables are wrong, or one is named "tls" and there is
 * no TLS context; PE_ERR_INTERNAL if one cannot be used. */
int listeners_adopt(struct listeners *listeners, struct pe_error *err) PE_MUST_CHECK;

/* Ask the kernel to give new connections to another process that listens on the same port, if
 * there is one. Connections that the kernel has already given to this process are still
 * accepted. Sockets from systemd are closed at once: systemd keeps the connections that wait
 * there for the next process. */
void listeners_yield(struct listeners *listeners);

/* Stop listening everywhere, and remove our own socket files. Accepted connections stay. */
void listeners_close(struct listeners *listeners);

#endif
