/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines of requests that wait, with a precision of 100 ms. One timer serves all of them. */
#ifndef PE_LB_CORE_DEADLINES_H
#define PE_LB_CORE_DEADLINES_H

#include "base/list.h"
#include "lb/core/loop.h"

#include <stdbool.h>
#include <stdint.h>

/* Embedded in its owner's struct; zero-initialised it is not watched. */
struct deadline {
    struct pe_list in_watched;
    uint64_t at_us; /* on the clock of pe_now_us() */
    void (*on_passed)(struct deadline *deadline);
    bool paused;      /* its time does not run */
    uint64_t left_us; /* while it is paused */
};

struct deadlines {
    struct loop *loop;
    struct loop_timer timer;
    bool running; /* the timer is */
    struct pe_list watched;
};

/* `loop` must outlive `deadlines`, which must stay where it is. */
void deadlines_init(struct deadlines *deadlines, struct loop *loop);

/* Call deadline->on_passed once `at_us` has passed, and again every 100 ms until the deadline is
 * forgotten: the callback is expected to do so. `at_us` and `on_passed` must be set. */
void deadline_watch(struct deadlines *deadlines, struct deadline *deadline);

/* Stop the time of a deadline that is watched. Does nothing to any other one. */
void deadline_pause(struct deadline *deadline);

/* Let the time of a paused deadline run on: it passes when the time that was left is over. Does nothing
 * to a deadline that is not paused. */
void deadline_resume(struct deadlines *deadlines, struct deadline *deadline);

/* Stop watching. A deadline that is not watched stays as it is. */
void deadline_forget(struct deadline *deadline);

#endif
