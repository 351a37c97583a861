/* SPDX-License-Identifier: Apache-2.0 */
/* How long a worker counts as away after its registration was lost. Meanwhile its images are known, and
 * jobs wait for it. Most of the time such a worker returns within a second: its process was restarted,
 * or the network was interrupted. */
#ifndef PE_LB_CORE_PRESENCE_H
#define PE_LB_CORE_PRESENCE_H

#include "lb/core/deadlines.h"
#include "lb/core/scheduler.h"

#include <stdint.h>

struct presence {
    struct scheduler *scheduler;
    struct deadlines *deadlines;
    struct deadline next; /* when the first of the workers that are away is forgotten */
    uint64_t away_us;
};

/* `scheduler` and `deadlines` must outlive `presence`, which must stay where it is. A worker is away for
 * `away_us` at most; with 0 it is forgotten at once. */
void presence_init(struct presence *presence, struct scheduler *scheduler, struct deadlines *deadlines,
                   uint64_t away_us);

/* The connection of the registration `owner` was lost. Returns true if its worker is away now. */
bool presence_lost(struct presence *presence, const void *owner);

#endif
