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

/* No worker has the image. The detail names similar images. */
struct pe_problem refusal_unknown_image(const struct scheduler *scheduler, const char *image);

#endif
