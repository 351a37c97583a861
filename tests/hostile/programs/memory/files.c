/* SPDX-License-Identifier: Apache-2.0 */
/* Files in /tmp that are larger than the memory.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static char block[MIB];
    int fd = open("/tmp/big", O_CREAT | O_WRONLY, 0600);
    say("start");
    while (write(fd, block, sizeof block) > 0)
        ;
    return 9;
}
