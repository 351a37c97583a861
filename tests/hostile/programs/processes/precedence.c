/* SPDX-License-Identifier: Apache-2.0 */
/* Take precedence over everything else in the guest: real-time policies, deadlines, nice values, I/O classes.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sched.h>
#include <sys/resource.h>

int main(void)
{
    const struct sched_param first = {.sched_priority = 99};
    const struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } deadline = {.size = 48, .policy = 6, .runtime = 900000, .deadline = 1000000, .period = 1000000};
    must_fail("SCHED_FIFO", sched_setscheduler(0, SCHED_FIFO, &first));
    must_fail("SCHED_RR", sched_setscheduler(0, SCHED_RR, &first));
    must_fail("SCHED_DEADLINE", syscall(SYS_sched_setattr, 0, &deadline, 0));
    must_fail("nice value -20", setpriority(PRIO_PROCESS, 0, -20));
    must_fail("real-time I/O", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    return held();
}
