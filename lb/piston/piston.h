/* Piston's API (docs/piston.md): /api/v2/ and what is below it. */
#ifndef PE_LB_PISTON_PISTON_H
#define PE_LB_PISTON_PISTON_H

#include "lb/edge/h2o.h"
#include "proto/problem.h"

#include <stdbool.h>

struct server;

/* Whatever comes to these paths, by any method. */
void piston_handle(struct server *server, h2o_req_t *req);

/* Whether a request's Content-Type is one that a Piston client's JSON comes with. */
bool piston_accepts_type(h2o_iovec_t type);

/* A problem in Piston's form: {"message"} and the status that Piston would give. */
void piston_send_problem(h2o_req_t *req, const struct pe_problem *problem);

#endif
