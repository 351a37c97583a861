/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon: two forks, a session of its own, closed descriptors, all signals ignored. It does not outlive the
 * program.
 *
 * engines: each
 * result: exited 0
 * stdout: the program ends
 */
#include "tests/hostile/attempt.h"

static void become_daemon(void)
{
    setsid();
    if (fork() > 0)
        return;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_IGN);
    for (int fd = 0; fd < 16; fd++)
        close(fd);
    for (;;)
        pause();
}

int main(void)
{
    if (in_child(become_daemon) == 0)
        say("the program ends");
    return 0;
}
