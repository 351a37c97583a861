/* SPDX-License-Identifier: Apache-2.0 */
/* Empty files with long names: they need no space, but memory of the kernel.
 *
 * result: exited 0 or oom
 * stdout has: start
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>

int main(void)
{
    char name[256];
    memset(name, 'n', 255);
    name[255] = 0;
    say("start");
    if (chdir("/dev/shm") < 0)
        give_up("chdir");
    for (unsigned i = 0; i < 400000; i++) {
        for (int digit = 0; digit < 8; digit++)
            name[digit] = (char)('a' + (i >> (4 * digit) & 15));
        if (mknod(name, S_IFREG | 0600, 0) < 0) {
            say(errno == ENOSPC ? "limited" : strerror(errno));
            return 0;
        }
    }
    return 9;
}
