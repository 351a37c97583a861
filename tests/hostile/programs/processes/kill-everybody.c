/* SPDX-License-Identifier: Apache-2.0 */
/* Kill every process that can be reached, again and again. The program itself and pe-shim remain.
 *
 * result: exited 0
 * stdout: alone
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    for (int i = 0; i < 20; i++)
        if (fork() == 0)
            for (;;)
                pause();
    for (int i = 0; i < 50; i++)
        kill(-1, SIGKILL);
    while (wait(NULL) > 0)
        ;
    say(kill(-1, 0) < 0 && errno == ESRCH ? "alone" : "not alone");
    return 0;
}
