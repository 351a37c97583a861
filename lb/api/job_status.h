/* How a job is doing, for the client that waits for it: POST /v1/run answers only when there is a result, and
 * until then GET /v1/jobs/ID tells its place in the queue. The ID is the secret: 128 random bits that the
 * client chooses and sends as X-Request-Id, so that it knows them before any answer. */
#ifndef PE_LB_API_JOB_STATUS_H
#define PE_LB_API_JOB_STATUS_H

#include "lb/edge/h2o.h"

struct exchange;
struct server;

#define JOB_STATUS_PATH "/v1/jobs/"

/* Give a run its id: the client's X-Request-Id when that is 32 lower-case hex digits and no other run's, else
 * one of our own, by which nobody can ask. */
void job_status_enter(struct exchange *exchange);

/* The run ends. */
void job_status_leave(struct exchange *exchange);

/* Handle GET /v1/jobs/ID. */
void api_job(struct server *server, h2o_req_t *req);

#endif
