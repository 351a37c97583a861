/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that watch each other, and start two for each that was killed.
 *
 * job: {"process_limit": 60}
 * result: exited 0
 * stdout: the program ends
 */
#include "tests/hostile/attempt.h"

/* Have two children for ever. Each of them does the same. */
static void __attribute__((noreturn)) live(void)
{
    for (int children = 0;;) {
        pid_t child = children < 2 ? fork() : -1;
        if (child == 0)
            children = 0;
        else if (child > 0)
            children++;
        else if (children == 0)
            usleep(1000);
        else if (waitpid(-1, NULL, children < 2 ? WNOHANG : 0) > 0)
            children--;
    }
}

int main(void)
{
    if (fork() == 0)
        live();
    for (int i = 0; i < 100; i++) {
        kill(getpid() + 1 + i, SIGKILL);
        usleep(3000);
    }
    say("the program ends");
    return 0;
}
