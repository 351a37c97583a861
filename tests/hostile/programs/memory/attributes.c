/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes of files, as many and as large as possible.
 *
 * result: exited 0
 * stdout: limited
 */
#include "tests/hostile/attempt.h"

#include <sys/xattr.h>

int main(void)
{
    static char value[60000];
    char name[64];
    for (int file = 0; file < 100; file++) {
        snprintf(name, sizeof name, "/dev/shm/%d", file);
        int fd = open(name, O_CREAT | O_RDWR, 0600);
        for (int i = 0; i < 1000; i++) {
            snprintf(name, sizeof name, "user.%d", i);
            if (fsetxattr(fd, name, value, sizeof value, 0) < 0) {
                say("limited");
                return 0;
            }
        }
    }
    say("not limited");
    return 0;
}
