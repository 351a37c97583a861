/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo terminals, as many as there can be, with input that nobody reads.
 *
 * result: exited 0
 * stdout: limited
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static char block[64 * 1024];
    int fd = -1;
    while ((fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK)) >= 0)
        while (write(fd, block, sizeof block) > 0)
            ;
    say("limited");
    return 0;
}
