/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that are queued and never delivered.
 *
 * result: exited 0
 * stdout: limited
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < 1000000; i++)
        if (sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}) < 0) {
            say("limited");
            return 0;
        }
    say("not limited");
    return 0;
}
