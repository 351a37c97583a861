/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of libh2o's event loop.
 *
 * The loop of libh2o 2.2 reads the wall clock with gettimeofday(2) (lib/common/socket/evloop.c.h), so
 * timers would stop for an hour when an administrator sets the time back by an hour, and all would
 * expire at once when it is set ahead. Therefore pe-lb defines gettimeofday() itself, as the
 * monotonic clock; the dynamic linker binds the calls of all libraries to it. Only the Date header
 * has to have the wall clock. */
#ifndef PE_LB_EDGE_LOOP_CLOCK_H
#define PE_LB_EDGE_LOOP_CLOCK_H

#include <sys/time.h>

/* Let calls that write to `to` read the wall clock. `to` is not accessed here, and there is only one:
 * the last call counts. */
void loop_clock_keep_wall_time(const struct timeval *to);

#endif
