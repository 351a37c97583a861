/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a job, for the client that waits for it, and how that client cancels it. POST /v1/run answers
 * only when there is a result; until then GET /v1/jobs/ID reports the job's place in the queue. The id is the
 * secret: 128 random bits that the client chooses and sends as X-Request-Id, so that it knows
 * them before any reply. */
#ifndef PE_LB_API_JOB_STATUS_H
#define PE_LB_API_JOB_STATUS_H

#include "lb/edge/h2o.h"

struct exchanges;

#define JOB_STATUS_PATH "/v1/jobs/"

/* Handle GET /v1/jobs/ID. */
void api_job(struct exchanges *exchanges, h2o_req_t *req);

/* Handle DELETE /v1/jobs/ID: the request to run the job is answered with the problem "canceled", and the job
 * ends unless others wait for it. One whose result is being sent has ended already. */
void api_job_cancel(struct exchanges *exchanges, h2o_req_t *req);

#endif
