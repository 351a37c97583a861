/* SPDX-License-Identifier: Apache-2.0 */
/* A slot: one process with one warm VM and a connection to each balancer of the worker. It runs one job at a
 * time. */
#ifndef PE_WORKER_SLOT_H
#define PE_WORKER_SLOT_H

#include "worker/config.h"

/* Keep a VM warm and run jobs until a stop is requested (worker/stop_signal.h). A running job is
 * finished first. A connection that ends is made again. Returns the exit status of the process. */
int slot_main(const struct worker_config *config);

#endif
