/* SPDX-License-Identifier: Apache-2.0 */
/* The playground: the page at "/" and "/embed", and the files that it loads
 * (lb/api/static_files.h). */
#ifndef PE_LB_API_PLAYGROUND_H
#define PE_LB_API_PLAYGROUND_H

#include "lb/api/body_stream.h"
#include "lb/api/static_files.h"
#include "lb/edge/h2o.h"

/* GET /, /embed, /admin and /assets/NAME. Clients that do not accept HTML get a text at "/" that says
 * what the service is (api_about); so do all clients if there is no page. Files carry a strong
 * ETag (RFC 9110 section 8.8.3) and are sent in the best coding that Accept-Encoding allows.
 * Files with a hash in their name may be cached for ever (RFC 8246). `files` may be NULL. */
void playground_handle(struct static_files *files, struct body_streams *streams, h2o_req_t *req);

#endif
