/* SPDX-License-Identifier: Apache-2.0 */
/* The first process of a worker. Its children are one process for each slot, the template server, a
 * registration for each balancer, and those that only some workers have (`enum role` in
 * worker/supervisor.c lists all). A child that dies is started again. */
#ifndef PE_WORKER_SUPERVISOR_H
#define PE_WORKER_SUPERVISOR_H

#include "base/error.h"
#include "worker/config.h"

/* Run the children until SIGTERM or SIGINT, then let running jobs end; a second signal ends them.
 * If this process dies, for any reason, all children and their VMs die with it. Fails with
 * PE_ERR_INTERNAL if there is no memory. */
int supervisor_run(struct worker_config *config, struct pe_error *err) PE_MUST_CHECK;

#endif
