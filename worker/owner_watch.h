/* SPDX-License-Identifier: Apache-2.0 */
/* The process that watches whether the owner of the host works there (--idle-only). */
#ifndef PE_WORKER_OWNER_WATCH_H
#define PE_WORKER_OWNER_WATCH_H

#include "worker/config.h"

/* The exit status is the sum of this and an enum owner_sign if that sign is another one than
 * config->owner.sign. */
enum { OWNER_WATCH_CHANGED = 16 };

/* Watch until the owner begins to work, or has not worked for config->owner.idle_after_s, or a stop is
 * requested. Returns the exit status of the process. */
int owner_watch_main(const struct worker_config *config);

#endif
