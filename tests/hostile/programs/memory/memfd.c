/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are not in any folder (memfd_create).
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static char block[MIB];
    int fd = memfd_create("big", 0);
    say("start");
    while (write(fd, block, sizeof block) > 0)
        ;
    return 9;
}
