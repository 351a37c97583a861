/* SPDX-License-Identifier: Apache-2.0 */
/* Stop the process that measures the time, PID 1, again and again.
 *
 * job: {"timeout_ms": 1000}
 * result: timeout
 * stdout: before
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    say("before");
    for (;;) {
        kill(1, SIGSTOP);
        kill(getppid(), SIGTSTP);
        kill(-1, SIGSTOP);
        usleep(1000);
    }
}
