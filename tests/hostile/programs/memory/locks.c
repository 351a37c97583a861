/* SPDX-License-Identifier: Apache-2.0 */
/* A lock for every second byte of a file.
 *
 * job: {"timeout_ms": 1500}
 * result: oom or timeout
 * stdout: start
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    int fd = open("/tmp/file", O_CREAT | O_RDWR, 0600);
    say("start");
    for (off_t at = 1L << 40; at > 0; at -= 2) {
        const struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
        if (fcntl(fd, F_SETLK, &lock) < 0)
            break;
    }
    return 9;
}
