/* SPDX-License-Identifier: Apache-2.0 */
/* A debugger gives its program registers that no program may have.
 *
 * result: exited 0
 * stdout: end
 */
#include "tests/hostile/attempt.h"

#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

static void be_traced(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    _exit(0);
}

int main(void)
{
    static const unsigned long values[] = {0, 0xffffffff81000000, 0x8000000000000000, 0xffffffffffffffff,
                                           0x10};
    const size_t registers = sizeof(struct user_regs_struct) / sizeof(unsigned long);
    for (size_t i = 0; i < registers; i++)
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            pid_t child = fork();
            if (child == 0)
                be_traced();
            waitpid(child, NULL, 0);
            ptrace(PTRACE_POKEUSER, child, (void *)(i * 8),
                   (void *)values[j]); /* NOLINT(performance-no-int-to-ptr) */
            ptrace(PTRACE_CONT, child, NULL, NULL);
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
        }
    say("end");
    return 0;
}
