/* The process that has the host's templates, and decides how many VMs are made at the same time. */
#ifndef PE_WORKER_TEMPLATE_CACHE_H
#define PE_WORKER_TEMPLATE_CACHE_H

#include "worker/config.h"

/* Serve the slots' questions until a stop is asked for (stop_requested). Templates of the configured
 * images are made at the start, others when the first slot wants one. Returns the process's exit status. */
int templates_main(const struct worker_config *config);

#endif
