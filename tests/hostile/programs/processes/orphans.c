/* SPDX-License-Identifier: Apache-2.0 */
/* Many more orphans than there may be processes. pe-shim has to reap them, or there would soon be no more
 * processes.
 *
 * job: {"process_limit": 100}
 * result: exited 0
 * stdout: all 400
 */
#include "tests/hostile/attempt.h"

static pid_t fork_when_possible(void)
{
    pid_t child = fork();
    while (child < 0 && errno == EAGAIN) { /* pe-shim has not got the processor yet */
        usleep(1000);
        child = fork();
    }
    return child;
}

int main(void)
{
    for (int i = 0; i < 400; i++) {
        pid_t child = fork_when_possible();
        if (child == 0) {
            fork_when_possible();
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
    say("all 400");
    return 0;
}
