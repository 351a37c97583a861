/* A slot: one process, one warm VM, one connection to the balancer, one job at a time. */
#ifndef PE_WORKER_SLOT_H
#define PE_WORKER_SLOT_H

#include "worker/config.h"

/* Keep a VM warm and run jobs until a stop is asked for (stop_requested), reconnecting as needed; a job
 * that runs is finished first. Returns the process's exit status. */
int slot_main(const struct worker_config *config);

#endif
