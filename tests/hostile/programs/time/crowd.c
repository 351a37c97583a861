/* SPDX-License-Identifier: Apache-2.0 */
/* Two hundred processes compute, and PID 1 gets the lowest priority, so that whatever measures the time
 * hardly gets the processor.
 *
 * job: {"timeout_ms": 1500}
 * result: timeout
 * stdout: before
 */
#include "tests/hostile/attempt.h"

#include <sys/resource.h>

int main(void)
{
    say("before");
    setpriority(PRIO_PROCESS, 1, 19);
    for (int i = 0; i < 200; i++)
        if (fork() == 0)
            break;
    for (;;)
        __asm__ volatile("pause");
}
