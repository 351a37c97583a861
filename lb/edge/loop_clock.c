/* SPDX-License-Identifier: Apache-2.0 */
/* Replacing the clock that libh2o reads. What this program measures itself is measured with
 * pe_now_us(), which is monotonic anyway. */
#include "lb/edge/loop_clock.h"

#include "base/io.h"

#include <time.h>

/* Added to the time. libh2o subtracts the delay of a timer from it, without a sign. On a machine that
 * started less than that delay ago, all such timers would expire at once. */
enum { START_S = 1 << 30 };

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
    *now =
        (struct timeval){.tv_sec = START_S + (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    return 0;
}
