/* SPDX-License-Identifier: Apache-2.0 */
/* When the worker pauses, because the owner of the host wants that: it takes no jobs, and has no VMs. */
#ifndef PE_WORKER_PAUSE_H
#define PE_WORKER_PAUSE_H

#include "worker/config.h"

#include <stdbool.h>

/* Why the worker has to pause now, in words for people; NULL: it may run jobs. The text is static. */
const char *pause_reason(const struct worker_config *config);

/* Whether that can change, so that somebody has to look now and then. */
bool pause_is_possible(const struct worker_config *config);

#endif
