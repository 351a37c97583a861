/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-origin requests (Fetch standard): which pages of other origins may use the service. */
#ifndef PE_LB_EDGE_CORS_H
#define PE_LB_EDGE_CORS_H

#include "base/options.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>

/* Whether a request comes from an allowed origin. */
bool cors_allows(const struct pe_option_list *origins, const h2o_req_t *req);

/* Whether a request for a WebSocket comes from no page, a page of this service, or one of an allowed origin.
 * Browsers let every page open a WebSocket, and leave it to the server to look at the origin (RFC 6455
 * section 10.2). */
bool cors_may_connect(const struct pe_option_list *origins, const h2o_req_t *req);

/* Add the headers that let a page of an allowed origin read this response. Other origins get
 * none. */
void cors_add_headers(const struct pe_option_list *origins, h2o_req_t *req);

/* Reply to an OPTIONS request for a path that accepts `methods`, a comma-separated list. */
void cors_send_preflight(const struct pe_option_list *origins, h2o_req_t *req, const char *methods);

#endif
