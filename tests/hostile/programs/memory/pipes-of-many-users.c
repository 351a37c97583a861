/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes full of bytes. The kernel limits those of each user, so the program has many users.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

static void fill_pipes(uid_t user)
{
    static char block[MIB];
    int ends[2];
    if (setuid(user) < 0)
        _exit(1);
    while (pipe2(ends, O_NONBLOCK) == 0) {
        fcntl(ends[1], F_SETPIPE_SZ, MIB);
        while (write(ends[1], block, sizeof block) > 0)
            ;
    }
    for (;;)
        pause();
}

int main(void)
{
    say("start");
    for (uid_t user = 1000; user < 1020; user++)
        if (fork() == 0)
            fill_pipes(user);
    while (wait(NULL) > 0)
        ;
    return 9;
}
