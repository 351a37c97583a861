/* SPDX-License-Identifier: Apache-2.0 */
/* Files in /dev/shm.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static char block[MIB];
    int fd = open("/dev/shm/big", O_CREAT | O_WRONLY, 0600);
    say("start");
    while (write(fd, block, sizeof block) > 0)
        ;
    return 9;
}
