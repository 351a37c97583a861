/* SPDX-License-Identifier: Apache-2.0 */
/* What lb/core needs from an event loop, as a table of functions: timers, and file descriptors to
 * watch. pe-lb implements it with libh2o (lb/h2o_loop.c), and unit tests with a fake. All calls and
 * all callbacks happen in one thread. */
#ifndef PE_LB_CORE_LOOP_H
#define PE_LB_CORE_LOOP_H

#include <stddef.h>

/* A timer, embedded in its owner's struct. Set `on_expire` before it is started; a timer that is
 * zero-initialised is stopped. */
struct loop_timer {
    void (*on_expire)(struct loop_timer *timer);
    void *implementation[4]; /* the loop's own */
};

/* A file descriptor that is watched. */
struct loop_watch;

struct loop;

struct loop_ops {
    /* Call timer->on_expire once, after `delay_ms`. With 0 it is called at the end of the current
     * iteration of the loop, in the order of the calls. The timer must be stopped. */
    void (*start_timer)(struct loop *loop, struct loop_timer *timer, unsigned delay_ms);

    /* Stop a timer. A stopped timer stays as it is. */
    void (*stop_timer)(struct loop *loop, struct loop_timer *timer);

    /* Take over the socket `fd` and call `on_readable` in every iteration in which it can be read
     * without blocking. */
    struct loop_watch *(*watch)(struct loop *loop, int fd, void (*on_readable)(void *data), void *data);

    /* Call `on_writable` once, with the data of the watch, when the descriptor can be written
     * to. Must not be called again before that. */
    void (*await_writable)(struct loop_watch *watch, void (*on_writable)(void *data));

    /* Stop watching and close the descriptor. */
    void (*unwatch)(struct loop_watch *watch);
};

struct loop {
    const struct loop_ops *ops;
};

#endif
