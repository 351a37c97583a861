/* The small GET resources: what this is, how it does, what a problem means, which images there are. */
#ifndef PE_LB_API_INFO_H
#define PE_LB_API_INFO_H

#include "lb/edge/h2o.h"

struct server;

void api_about(struct server *server, h2o_req_t *req);   /* GET / */
void api_health(struct server *server, h2o_req_t *req);  /* GET /healthz */
void api_problem(struct server *server, h2o_req_t *req); /* GET /problems/NAME */
void api_images(struct server *server, h2o_req_t *req);  /* GET /v1/images (api_images.c) */

/* GET /v1/hosts, POST and DELETE /v1/hosts/NAME/drain (api_hosts.c) */
void api_hosts(struct server *server, h2o_req_t *req);
void api_host_drain(struct server *server, h2o_req_t *req);

void api_openapi(struct server *server, h2o_req_t *req); /* GET /openapi.json (openapi.c) */

#endif
