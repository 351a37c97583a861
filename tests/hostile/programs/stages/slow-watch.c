/* SPDX-License-Identifier: Apache-2.0 */
/* A stage takes the processor away from PID 1, which watches it, in every way there is, and computes with
 * many processes.
 *
 * stages: run run
 * stage limits: {"wall": 1000}
 * result: exited 0
 * ends: wall
 * stdout: before
 */
#include "tests/hostile/attempt.h"

#include <sched.h>
#include <sys/resource.h>

int main(void)
{
    const struct sched_param parameters = {0};
    say("before");
    sched_setscheduler(1, SCHED_IDLE, &parameters);
    setpriority(PRIO_PROCESS, 1, 19);
    setpriority(PRIO_USER, 0, 19);
    setpriority(PRIO_PROCESS, 0, 0);
    for (int i = 0; i < 50; i++)
        if (fork() == 0)
            break;
    for (;;)
        __asm__ volatile("pause");
}
