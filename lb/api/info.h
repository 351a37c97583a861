/* SPDX-License-Identifier: Apache-2.0 */
/* The small resources: what the service is, how it is doing, what a problem means, which images
 * and workers there are. Each function handles the request completely. */
#ifndef PE_LB_API_INFO_H
#define PE_LB_API_INFO_H

#include "lb/api/body_stream.h"
#include "lb/core/audit.h"
#include "lb/core/scheduler.h"
#include "lb/edge/h2o.h"
#include "lb/edge/tokens.h"

#include <stdbool.h>

/* GET / for clients that do not ask for HTML. */
void api_about(h2o_req_t *req);

/* GET /healthz. `draining`: the balancer is shutting down. */
void api_health(const struct scheduler *scheduler, bool draining, h2o_req_t *req);

/* GET /problems/NAME. */
void api_problem(h2o_req_t *req);

/* GET /v1/images (images.c). */
void api_images(const struct scheduler *scheduler, struct body_streams *streams, h2o_req_t *req);

/* GET /v1/hosts: the workers. For operators, who have a worker token (hosts.c). */
void api_hosts(const struct audit *audit, const struct tokens *tokens, const struct tokens *operators,
               struct body_streams *streams, h2o_req_t *req);

/* POST and DELETE /v1/hosts/NAME/drain: give a worker no more jobs, or jobs again and forget what audits have
 * found about it (hosts.c). Replies with 405 to other methods. */
void api_host_drain(struct audit *audit, const struct tokens *operators, h2o_req_t *req);

/* GET /openapi.json (openapi.c). */
void api_openapi(struct body_streams *streams, h2o_req_t *req);

#endif
