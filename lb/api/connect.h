/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/connect: an interactive job in the service's own form. */
#ifndef PE_LB_API_CONNECT_H
#define PE_LB_API_CONNECT_H

#include "base/options.h"
#include "lb/api/live_session.h"
#include "lb/edge/h2o.h"

/* Handle the request: upgrade it to a WebSocket, or answer with a problem. Pages of other origins than
 * those of `cors_origins` and of the service itself are refused. */
void api_connect(struct live_sessions *sessions, const struct pe_option_list *cors_origins, h2o_req_t *req);

#endif
