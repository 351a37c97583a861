/* SPDX-License-Identifier: Apache-2.0 */
/* A timer that fires as often as possible, with a handler that takes longer than that.
 *
 * job: {"timeout_ms": 1000}
 * result: timeout
 * stdout: before
 */
#include "tests/hostile/attempt.h"

#include <sys/time.h>

static void on_alarm(int number)
{
    for (volatile int i = 0; i < 10000 + number; i++)
        ;
}

int main(void)
{
    const struct itimerval soon = {{0, 1}, {0, 1}};
    signal(SIGALRM, on_alarm);
    say("before");
    setitimer(ITIMER_REAL, &soon, NULL);
    for (;;)
        pause();
}
