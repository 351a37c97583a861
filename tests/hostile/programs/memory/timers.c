/* SPDX-License-Identifier: Apache-2.0 */
/* Timers without end.
 *
 * result: exited 0 or oom
 * stdout has: start
 */
#include "tests/hostile/attempt.h"

#include <time.h>

int main(void)
{
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    timer_t timer;
    say("start");
    for (int i = 0; i < 200000; i++)
        if (timer_create(CLOCK_MONOTONIC, &none, &timer) < 0) {
            say("limited");
            return 0;
        }
    return 0;
}
