/* SPDX-License-Identifier: Apache-2.0 */
/* Every system call with arguments that cannot be right, each in a process of its own.
 *
 * result: exited 0
 * stdout: end
 */
#include "tests/hostile/attempt.h"

#include <sys/time.h>

static void __attribute__((noreturn)) call(long number)
{
    static const long arguments[] = {0, -1, 1, INT64_MIN};
    const struct itimerval soon = {.it_value = {.tv_usec = 20000}}; /* some of them wait for ever */
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
        long a = arguments[i];
        setitimer(ITIMER_REAL, &soon, NULL);
        syscall(number, a, a, a, a, a, a);
    }
    _exit(0);
}

int main(void)
{
    for (long number = 0; number < 480; number++) {
        pid_t child = fork();
        if (child < 0)
            give_up("fork");
        if (child == 0) {
            setpgid(0, 0); /* so that signals to the own group reach only this child */
            call(number);
        }
        waitpid(child, NULL, 0);
    }
    say("end");
    return 0;
}
