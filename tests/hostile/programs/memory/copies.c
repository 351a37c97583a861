/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is shared after a fork, until each process writes to it.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    say("start");
    char *block = use_memory(60 * MIB);
    for (int i = 0; i < 5 && block; i++)
        if (fork() == 0) {
            memset(block, i, 60 * MIB);
            for (;;)
                pause();
        }
    wait(NULL); /* until one of them is killed */
    return 9;
}
