/* SPDX-License-Identifier: Apache-2.0 */
/* As many zombies as there may be, which nobody waits for.
 *
 * job: {"process_limit": 100}
 * result: exited 0
 * stdout: done
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    for (int i = 0; i < 200; i++)
        if (fork() == 0)
            _exit(0);
    say("done");
    return 0;
}
