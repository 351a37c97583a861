/* SPDX-License-Identifier: Apache-2.0 */
/* Files without a name, which only open descriptors keep.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static char block[MIB];
    say("start");
    for (int i = 0; i < 400; i++) {
        int fd = open("/tmp/gone", O_CREAT | O_RDWR, 0600);
        unlink("/tmp/gone");
        if (write(fd, block, sizeof block) < 0)
            return 8;
    }
    return 9;
}
