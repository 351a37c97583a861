/* SPDX-License-Identifier: Apache-2.0 */
/* How the head of a request over HTTP/1 says where its body ends. */
#ifndef PE_LB_EDGE_REQUEST_FRAMING_H
#define PE_LB_EDGE_REQUEST_FRAMING_H

#include "lb/edge/h2o.h"

/* What is wrong with the headers that say where the body ends, or NULL. libh2o chooses one of several
 * headers silently. A proxy in front of it may choose another one, and would then see other requests
 * on the connection than we do (RFC 9112 section 11.2, request smuggling). After a fault the connection
 * must be closed. */
const char *request_framing_fault(const h2o_req_t *req);

#endif
