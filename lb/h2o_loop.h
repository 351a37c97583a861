/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop of libh2o as the table of functions that lb/core needs (lb/core/loop.h). */
#ifndef PE_LB_H2O_LOOP_H
#define PE_LB_H2O_LOOP_H

#include "lb/core/loop.h"
#include "lb/edge/h2o.h"

enum { H2O_LOOP_DELAYS = 8 };

struct h2o_loop {
    struct loop loop;
    h2o_context_t *ctx;
    /* libh2o keeps all timers of one duration in one list, so each duration is one of these. */
    h2o_timeout_t delays[H2O_LOOP_DELAYS];
    size_t count;
};

/* `ctx` must outlive `loop`, which must stay where it is. */
void h2o_loop_init(struct h2o_loop *loop, h2o_context_t *ctx);

#endif
