/* SPDX-License-Identifier: Apache-2.0 */
/* Replacing the clock that libh2o reads. What this program measures itself is measured with
 * pe_now_us(), which is monotonic anyway. */
#include "lb/edge/loop_clock.h"

#include "base/io.h"

#include <time.h>

static const struct timeval *wall_time;

void loop_clock_keep_wall_time(const struct timeval *to)
{
    wall_time = to;
}

/* Replaces the function of the C library, for this program and the libraries that it uses. */
int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    if (now == wall_time) {
        struct timespec precise;
        if (clock_gettime(CLOCK_REALTIME, &precise) < 0)
            return -1;
        *now = (struct timeval){.tv_sec = precise.tv_sec, .tv_usec = precise.tv_nsec / 1000};
        return 0;
    }
    uint64_t us = pe_now_us();
    *now = (struct timeval){.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    return 0;
}
