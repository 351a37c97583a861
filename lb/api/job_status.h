/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a job, for the client that waits for it. POST /v1/run answers only when there is
 * a result; until then GET /v1/jobs/ID reports the job's place in the queue. The id is the
 * secret: 128 random bits that the client chooses and sends as X-Request-Id, so that it knows
 * them before any reply. */
#ifndef PE_LB_API_JOB_STATUS_H
#define PE_LB_API_JOB_STATUS_H

#include "lb/edge/h2o.h"

struct exchange;
struct exchanges;

#define JOB_STATUS_PATH "/v1/jobs/"

/* Give an exchange its id: the client's X-Request-Id if it consists of 32 lower-case hexadecimal
 * digits and no other exchange has it. Otherwise a random id, by which nobody can ask. */
void job_status_enter(struct exchange *exchange);

/* The exchange ends: its id is unknown from now on. */
void job_status_leave(struct exchange *exchange);

/* Handle GET /v1/jobs/ID. */
void api_job(struct exchanges *exchanges, h2o_req_t *req);

#endif
