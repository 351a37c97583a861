/* SPDX-License-Identifier: Apache-2.0 */
/* A parent that waits for the end of vfork, during which no signal but SIGKILL reaches it.
 *
 * job: {"timeout_ms": 1000}
 * result: timeout
 * stdout: before
 */
#include "tests/hostile/attempt.h"

#include <sched.h>

static char stack[64 * 1024] __attribute__((aligned(16)));

static int sleep_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused != NULL;
}

int main(void)
{
    say("before");
    clone(sleep_for_ever, stack + sizeof stack, CLONE_VFORK | CLONE_VM | SIGCHLD, NULL);
    say("after");
    return 0;
}
