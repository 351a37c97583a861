/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon computes while the program only waits for it. Its time counts.
 *
 * result: exited 0
 * usage: cpu_ms 400
 * stdout: end
 */
#include "tests/hostile/attempt.h"

#include <time.h>

int main(void)
{
    int ends[2];
    char byte = 0;
    if (pipe(ends) < 0)
        give_up("pipe");
    if (fork() == 0) {
        setsid();
        if (fork() > 0)
            _exit(0);
        while (clock() < CLOCKS_PER_SEC / 2)
            ;
        _exit(write(ends[1], "x", 1) != 1);
    }
    wait(NULL);
    if (read(ends[0], &byte, 1) == 1)
        say("end");
    return 0;
}
