/* SPDX-License-Identifier: Apache-2.0 */
/* The program stops itself, and every process that could wake it.
 *
 * job: {"timeout_ms": 1000}
 * result: timeout
 * stdout: before
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    if (fork() == 0)
        for (;;)
            pause();
    say("before");
    kill(-1, SIGSTOP);
    raise(SIGSTOP);
    return 0;
}
