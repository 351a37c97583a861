/* SPDX-License-Identifier: Apache-2.0 */
/* Looks once a second whether host tokens were revoked, and writes now and then when hosts were connected. */
#ifndef PE_LB_WORKERS_HOST_WATCH_H
#define PE_LB_WORKERS_HOST_WATCH_H

#include "lb/workers/worker_context.h"

struct host_watch {
    struct worker_context *context;
    h2o_timeout_t timeout;
    h2o_timeout_entry_t entry;
    uint64_t serial;     /* of the tokens, when the connections were compared with them last */
    uint64_t written_us; /* when it was written last who is connected */
};

/* Start to look, if the tokens of `context` have a store of hosts. `context` must outlive `watch`, which must
 * stay where it is. */
void host_watch_init(struct host_watch *watch, struct worker_context *context);

/* Write who is connected, before the process ends. */
void host_watch_end(struct host_watch *watch);

#endif
