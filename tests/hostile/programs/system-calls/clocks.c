/* SPDX-License-Identifier: Apache-2.0 */
/* Set the clock, by a little or by much.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

int main(void)
{
    const struct timeval then = {.tv_sec = 1000000000};
    const struct timespec same = {.tv_sec = 1000000000};
    struct timex tick = {.modes = ADJ_TICK, .tick = 11000};
    must_fail("settimeofday", settimeofday(&then, NULL));
    must_fail("clock_settime", clock_settime(CLOCK_REALTIME, &same));
    must_fail("adjtime", adjtime(&then, NULL));
    must_fail("adjtimex", adjtimex(&tick));
    must_fail("clock_adjtime", clock_adjtime(CLOCK_REALTIME, &tick));
    return held();
}
