/* The first process of a worker host: one child per slot, one for the templates and one for the control
 * connection, restarted when
 * they die. */
#ifndef PE_WORKER_SUPERVISOR_H
#define PE_WORKER_SUPERVISOR_H

#include "base/error.h"
#include "worker/config.h"

/* Start the children and watch them until SIGTERM or SIGINT; then let running jobs end (a second signal does
 * not wait). When this process dies, however it dies, all children and their VMs die with it. */
int supervisor_run(const struct worker_config *config, struct pe_error *err) PE_MUST_CHECK;

#endif
