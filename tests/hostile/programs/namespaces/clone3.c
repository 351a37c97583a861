/* SPDX-License-Identifier: Apache-2.0 */
/* A new user namespace with clone3, whose flags a filter of system calls cannot see.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <linux/sched.h>

int main(void)
{
    static const uint64_t kinds[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWTIME, CLONE_INTO_CGROUP, 0};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct clone_args arguments = {.flags = kinds[i], .exit_signal = SIGCHLD};
        long child = syscall(SYS_clone3, &arguments, sizeof arguments);
        if (child == 0)
            _exit(0);
        must_fail("clone3", child);
    }
    return held();
}
