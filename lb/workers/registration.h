/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/control: the registration of a worker. It says what the worker is and has. */
#ifndef PE_LB_WORKERS_REGISTRATION_H
#define PE_LB_WORKERS_REGISTRATION_H

#include "lb/workers/worker_context.h"

/* Prepare `context`, whose member `ws` was initialised, for the connections of workers. It must stay where it
 * is. */
void registrations_init(struct worker_context *context);

/* Handle the request: upgrade it to a WebSocket, or answer with a problem. `context` must
 * outlive the connection. */
void registration_accept(struct worker_context *context, h2o_req_t *req);

#endif
