/* SPDX-License-Identifier: Apache-2.0 */
/* Children that are traced and never go on, and one that traces its tracer's other children. The program
 * waits for them for ever.
 *
 * job: {"timeout_ms": 1000}
 * result: timeout
 * stdout: before
 */
#include "tests/hostile/attempt.h"

#include <sys/ptrace.h>

static void be_traced(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    _exit(0);
}

int main(void)
{
    for (int i = 0; i < 10; i++)
        if (fork() == 0)
            be_traced();
    say("before");
    for (;;)
        waitpid(-1, NULL, __WALL); /* stops only: nobody lets them go on */
}
