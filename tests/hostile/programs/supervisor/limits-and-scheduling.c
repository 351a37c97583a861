/* SPDX-License-Identifier: Apache-2.0 */
/* Change the limits and the scheduling of PID 1: the kernel kills even PID 1 when it reaches its limit of CPU
 * time, and without the processor nobody watches the program.
 *
 * engines: each
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sched.h>
#include <sys/resource.h>

int main(void)
{
    /* A process number has 32 bits; a filter may see 64. */
    static const long numbers[] = {1, (1L << 32) + 1, -(1L << 32) + 1};
    const struct rlimit none = {0, 0};
    const struct sched_param parameters = {0};
    const struct {
        uint32_t size, policy;
        uint64_t rest[5];
    } idle = {.size = 48, .policy = SCHED_IDLE};
    const uint64_t processors = 1;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        long init = numbers[i];
        for (int limit = 0; limit < RLIM_NLIMITS; limit++)
            must_fail("a limit", syscall(SYS_prlimit64, init, limit, &none, NULL));
        must_fail("sched_setscheduler", syscall(SYS_sched_setscheduler, init, SCHED_IDLE, &parameters));
        must_fail("sched_setparam", syscall(SYS_sched_setparam, init, &parameters));
        must_fail("sched_setattr", syscall(SYS_sched_setattr, init, &idle, 0));
        must_fail("sched_setaffinity", syscall(SYS_sched_setaffinity, init, sizeof processors, &processors));
    }
    return held();
}
