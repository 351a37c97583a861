/* SPDX-License-Identifier: Apache-2.0 */
/* A child uses CPU time, and its parent never waits for it. The time counts all the same.
 *
 * result: exited 0
 * usage: cpu_ms 400
 * stdout: end
 */
#include "tests/hostile/attempt.h"

#include <time.h>

int main(void)
{
    signal(SIGCHLD, SIG_IGN); /* the kernel reaps children */
    if (fork() == 0) {
        while (clock() < CLOCKS_PER_SEC / 2)
            ;
        _exit(0);
    }
    while (wait(NULL) >= 0 || errno == EINTR)
        ;
    say("end");
    return 0;
}
