/* SPDX-License-Identifier: Apache-2.0 */
/* Use only the time of the kernel: system calls that take long.
 *
 * job: {"timeout_ms": 1000}
 * result: timeout
 * stdout: before
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static char block[MIB];
    int fd = open("/dev/urandom", O_RDONLY);
    say("before");
    while (read(fd, block, sizeof block) > 0)
        ;
    return 9;
}
