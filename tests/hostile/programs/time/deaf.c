/* SPDX-License-Identifier: Apache-2.0 */
/* Ignore or block every signal that can be ignored or blocked, and compute for ever.
 *
 * job: {"timeout_ms": 1000}
 * engines: each
 * result: timeout
 * stdout: before
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    sigset_t all;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    say("before");
    for (;;)
        __asm__ volatile("pause");
}
