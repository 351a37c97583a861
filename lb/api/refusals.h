/* SPDX-License-Identifier: Apache-2.0 */
/* Problems that say why a request to run a job is refused. */
#ifndef PE_LB_API_REFUSALS_H
#define PE_LB_API_REFUSALS_H

#include "lb/core/job.h"
#include "proto/problem.h"

/* No worker is connected. */
struct pe_problem refusal_no_worker(void);

/* The queue is full, or was too slow for this job. `what` begins the detail. `client` may be
 * NULL. */
struct pe_problem refusal_no_capacity(const struct jobs *jobs, const struct client_queue *client,
                                      const char *what);

/* Why no worker can run the job: no worker has the image, and the detail names similar images, or
 * none of those that have it has the isolation that the job demands. */
struct pe_problem refusal_no_suitable_worker(const struct scheduler *scheduler,
                                             const struct pe_job_spec *spec);

#endif
