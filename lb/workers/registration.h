/* GET /v1/control: a worker host's control connection, which says what the host is and has. */
#ifndef PE_LB_WORKERS_REGISTRATION_H
#define PE_LB_WORKERS_REGISTRATION_H

#include "lb/edge/h2o.h"

struct server;

/* Handle the request: upgrade it, or answer with a problem. */
void registration_accept(struct server *server, h2o_req_t *req);

#endif
