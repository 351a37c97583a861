/* The control connection of a worker host: what the host is and which images it has, said again when that
 * changes. */
#ifndef PE_WORKER_REGISTRATION_H
#define PE_WORKER_REGISTRATION_H

#include "worker/config.h"

/* Keep the connection until a stop is asked for, reconnecting as needed. Returns the process's exit status.
 */
int registration_main(const struct worker_config *config);

#endif
