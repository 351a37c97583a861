/* SPDX-License-Identifier: Apache-2.0 */
/* A process that forks and ends, so that its child has another number: a process that wants to kill it
 * comes too late. The program ends while this goes on.
 *
 * result: exited 0
 * stdout: the program ends
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    if (fork() == 0)
        for (;;)
            if (fork() > 0)
                _exit(0);
    usleep(300000);
    say("the program ends");
    return 0;
}
