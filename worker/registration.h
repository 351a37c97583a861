/* SPDX-License-Identifier: Apache-2.0 */
/* The registration of a worker with one of its balancers: a connection that says what the worker is and
 * which images it has, and repeats that when it changes. */
#ifndef PE_WORKER_REGISTRATION_H
#define PE_WORKER_REGISTRATION_H

#include "worker/config.h"

/* Keep the worker registered until the process is killed. A connection that ends is made again.
 * When a stop is requested, the balancer is told that the worker drains; the supervisor ends this
 * process after the last job. Returns the exit status of the process. */
int registration_main(const struct worker_config *config);

#endif
