/* SPDX-License-Identifier: Apache-2.0 */
/* The process that owns the templates and grants the permits. */
#ifndef PE_WORKER_TEMPLATE_SERVER_H
#define PE_WORKER_TEMPLATE_SERVER_H

#include "worker/config.h"

/* Serve the requests of the slots at config->templates.listener until a stop is requested
 * (worker/stop_signal.h). Returns the exit status of the process. */
int template_server_main(const struct worker_config *config);

#endif
