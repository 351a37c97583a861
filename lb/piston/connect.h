/* SPDX-License-Identifier: Apache-2.0 */
/* GET /connect, Piston's WebSocket for interactive jobs, which this service does not have. */
#ifndef PE_LB_PISTON_CONNECT_H
#define PE_LB_PISTON_CONNECT_H

#include "lb/edge/ws_server.h"

/* Answer a WebSocket handshake in Piston's way to report an error: open the connection, send a
 * message of the type `error`, and close with 4002. Clients of Piston show such a message, but not
 * the body of a response to a failed handshake. `client_key` is from h2o_is_websocket_handshake. */
void piston_connect_refuse(struct ws_context *context, h2o_req_t *req, const char *client_key);

#endif
