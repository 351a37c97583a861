/* SPDX-License-Identifier: Apache-2.0 */
/* A child in a session of its own keeps stdout and stderr open. The job ends with its program, not with the
 * last one that could write.
 *
 * result: exited 0
 * stdout: the program ends
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    if (fork() == 0) {
        setsid();
        signal(SIGHUP, SIG_IGN);
        for (;;)
            pause();
    }
    say("the program ends");
    return 0;
}
