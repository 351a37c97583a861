/* The playground: the page at "/" and "/embed", and what it loads. Its files are lb/api/static_files.h. */
#ifndef PE_LB_API_PLAYGROUND_H
#define PE_LB_API_PLAYGROUND_H

#include "lb/edge/h2o.h"

struct server;

/* GET /, /embed, /assets/NAME. Who does not accept HTML, or when there is no page, is told at "/" what this
 * service is (api_about). Files carry a strong ETag (RFC 9110 section 8.8.3) and are sent in the coding that
 * Accept-Encoding prefers of those there are; those whose name has a hash in it may be kept for ever (RFC
 * 8246). */
void playground_handle(struct server *server, h2o_req_t *req);

#endif
