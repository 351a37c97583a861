/* SPDX-License-Identifier: Apache-2.0 */
/* GET /connect, Piston's WebSocket: a job whose input is typed, with Piston's messages and close codes.
 * Its life is lb/api/live_session.h. */
#ifndef PE_LB_PISTON_CONNECT_H
#define PE_LB_PISTON_CONNECT_H

#include "lb/api/live_session.h"
#include "proto/runtimes.h"

struct piston_connects {
    struct live_dialect dialect;
    struct live_sessions *sessions;
    const struct pe_runtime_limits *limits; /* of the service */
};

/* The pointers must outlive `connects`, which must stay where it is and outlive all connections. */
void piston_connects_init(struct piston_connects *connects, struct live_sessions *sessions,
                          const struct pe_runtime_limits *limits);

/* Upgrade the connection of a request. `who` is its client, who may start jobs; `client_key` is from
 * h2o_is_websocket_handshake(). */
void piston_connect(struct piston_connects *connects, const struct client_identity *who, h2o_req_t *req,
                    const char *client_key);

#endif
