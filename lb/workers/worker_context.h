/* SPDX-License-Identifier: Apache-2.0 */
/* What the connections of workers share, and how a worker is admitted. */
#ifndef PE_LB_WORKERS_WORKER_CONTEXT_H
#define PE_LB_WORKERS_WORKER_CONTEXT_H

#include "base/options.h"
#include "lb/core/dispatch.h"
#include "lb/core/presence.h"
#include "lb/core/scheduler.h"
#include "lb/edge/tokens.h"
#include "lb/edge/ws_server.h"

#include <stdbool.h>

/* Registrations whose `hello` is read later (registration.c). */
struct hello_queue {
    h2o_loop_t *loop;
    struct pe_list waiting;
    size_t closed; /* of those that wait: their connections are closed */
    h2o_timeout_t timeout;
    h2o_timeout_entry_t entry;
    uint64_t rest_until_us; /* no `hello` is read before */
};

struct worker_context {
    struct ws_context ws;
    struct hello_queue hellos;
    struct tokens *tokens;
    const struct pe_option_list *trusted_hosts; /* names; NULL: none */
    struct pe_list connections;                 /* of workers */
    size_t held;                                /* bytes of messages, by all of them */
    struct scheduler *scheduler;
    struct dispatch *dispatch;
    struct presence *presence;

    /* A worker has said what it is and has, or has gone. Requests may have waited for it. */
    void (*on_worker_changed)(void *data);
    void *data;
};

/* One connection of a worker, embedded in its owner: a registration or a slot. */
struct worker_connection {
    struct pe_list in_connections;
    struct ws_server *ws;           /* of the owner */
    size_t arriving;                /* bytes of a message that is not complete */
    size_t kept;                    /* bytes of a message that is read later */
    struct token_identity identity; /* with which it was admitted */
    const char *name;               /* of its worker, in the owner; empty until the worker has said it */
    bool is_registered;             /* a registration that has said hello */
    /* Close the connection, for this reason. It may not be freed inside the call. */
    void (*refuse)(struct worker_connection *connection, const char *why);
};

/* Whether a worker of this name is one that the operator trusts. It needs a token of its own: a token that
 * several hosts share would let each of them use the name. */
bool worker_is_trusted(const struct worker_context *context, const struct worker_connection *connection,
                       const char *name);

/* Check the token and the handshake of a worker. Returns true if ws_server_open() can follow; `connection`
 * then has the worker's identity. Otherwise the request has been answered with a problem. */
bool worker_admit(const struct worker_context *context, h2o_req_t *req, struct worker_connection *connection,
                  const char **client_key);

/* Keep the connection in the list until worker_connection_closed(). `refuse` and `ws` must be set. */
void worker_connection_opened(struct worker_context *context, struct worker_connection *connection);

/* The connection was closed. If it was a registration with a host's token, the host was seen until now. */
void worker_connection_closed(struct worker_context *context, struct worker_connection *connection);

/* So many more bytes of a message have arrived. If what all connections hold is more than the balancer keeps
 * of workers, the connection that holds most is cut off. */
void worker_connection_arriving(struct worker_context *context, struct worker_connection *connection,
                                size_t size);

/* The message is complete, and so handed over. */
void worker_connection_arrived(struct worker_context *context, struct worker_connection *connection);

/* The owner keeps so many bytes of a message to read it later; 0: none any more. */
void worker_connection_keeps(struct worker_context *context, struct worker_connection *connection,
                             size_t bytes);

/* Refuse the connections whose tokens were revoked, and those that use the name of a host that has joined
 * since with a token of its own. */
void worker_connections_check(const struct worker_context *context);

/* Note that the hosts whose registrations are open were seen at this time, in seconds since 1970. */
void worker_connections_seen(const struct worker_context *context, int64_t now);

#endif
