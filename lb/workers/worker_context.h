/* SPDX-License-Identifier: Apache-2.0 */
/* What the connections of workers share, and how a worker is admitted. */
#ifndef PE_LB_WORKERS_WORKER_CONTEXT_H
#define PE_LB_WORKERS_WORKER_CONTEXT_H

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
    const struct tokens *tokens;
    struct scheduler *scheduler;
    struct dispatch *dispatch;
    struct presence *presence;

    /* A worker has said what it is and has, or has gone. Requests may have waited for it. */
    void (*on_worker_changed)(void *data);
    void *data;
};

/* Check the token and the handshake of a worker. Returns true if ws_server_open() can follow.
 * Otherwise the request has been answered with a problem. */
bool worker_admit(const struct worker_context *context, h2o_req_t *req, const char **client_key);

#endif
