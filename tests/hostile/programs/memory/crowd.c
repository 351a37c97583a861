/* SPDX-License-Identifier: Apache-2.0 */
/* Forty processes that each use a little memory, too much together.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    say("start");
    for (int i = 0; i < 40; i++)
        if (fork() == 0) {
            use_memory(8 * MIB);
            for (;;)
                pause();
        }
    wait(NULL); /* until one of them is killed */
    return 9;
}
