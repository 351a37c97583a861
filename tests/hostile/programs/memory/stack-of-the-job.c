/* SPDX-License-Identifier: Apache-2.0 */
/* A job has a limit for its stack, which the program wants to lift.
 *
 * job: {"stack_limit_kib": 1024}
 * result: signaled 11
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/resource.h>

static int use_stack(void)
{
    volatile char frame[1500 * 1024];
    for (size_t i = sizeof frame; i > 0; i--)
        frame[i - 1] = 1;
    return frame[0] ? 0 : 1;
}

int main(void)
{
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    int (*volatile use)(void) = use_stack;
    must_fail("a larger stack", setrlimit(RLIMIT_STACK, &none));
    held();
    return use();
}
