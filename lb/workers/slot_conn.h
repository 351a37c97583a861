/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/slot: the connection of a slot, which runs one job at a time (proto/slot-protocol.md). */
#ifndef PE_LB_WORKERS_SLOT_CONN_H
#define PE_LB_WORKERS_SLOT_CONN_H

#include "lb/workers/worker_context.h"

/* Handle the request: upgrade it to a WebSocket, or answer with a problem. `context` must
 * outlive the connection. */
void slot_conn_accept(struct worker_context *context, h2o_req_t *req);

#endif
