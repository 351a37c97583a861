/* SPDX-License-Identifier: Apache-2.0 */
/* Matching jobs with slots, once per iteration of the event loop. Each event that
 * makes a match possible (a new job, a ready slot, a new catalog of a worker) calls
 * dispatch_soon(). */
#ifndef PE_LB_CORE_DISPATCH_H
#define PE_LB_CORE_DISPATCH_H

#include "lb/core/loop.h"
#include "lb/core/scheduler.h"

#include <stdbool.h>

struct dispatch {
    struct scheduler *scheduler;
    struct loop *loop;
    struct loop_timer timer;
    bool pending;  /* the timer is running */
    bool draining; /* ready slots are dismissed */

    /* Called at the end of an iteration of the loop in which jobs were matched. NULL: by nobody. */
    void (*on_matched)(void *data);
    void *data;
};

/* `scheduler` and `loop` must outlive `dispatch`, which must stay where it is. */
void dispatch_init(struct dispatch *dispatch, struct scheduler *scheduler, struct loop *loop);

/* Match at the end of this iteration of the loop. Calling it several times costs nothing. */
void dispatch_soon(struct dispatch *dispatch);

/* Match now. For callers that must know how many jobs really wait. */
void dispatch_now(struct dispatch *dispatch);

/* From now on, dismiss ready slots as long as no job waits. One stays, for a job that may lose its
 * slot. The workers of the others connect again, to the process that listens then. */
void dispatch_drain(struct dispatch *dispatch);

#endif
