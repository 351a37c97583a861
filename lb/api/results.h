/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE /v1/results/KEY: forgetting the stored result of one job. */
#ifndef PE_LB_API_RESULTS_H
#define PE_LB_API_RESULTS_H

#include "lb/api/access.h"
#include "lb/core/client.h"
#include "lb/core/job.h"
#include "lb/edge/h2o.h"

#define RESULTS_PATH "/v1/results/"

/* Handle a request at RESULTS_PATH. The key of a job is a hash of all that was sent, so only those know it
 * who sent the job, or who have the answer to it; who may start jobs may delete. Tries of an address
 * are limited together with its questions about jobs (lb/core/client.h). */
void api_result_delete(struct jobs *jobs, struct clients *clients, const struct access *access,
                       h2o_req_t *req);

#endif
