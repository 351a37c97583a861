/* SPDX-License-Identifier: Apache-2.0 */
/* Hundreds of processes that each have thousands of open files.
 *
 * result: exited 0 or oom
 * stdout has: start
 */
#include "tests/hostile/attempt.h"

#include <sys/resource.h>

static void open_files(void)
{
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    say("x");
    for (;;)
        pause();
}

int main(void)
{
    const struct rlimit most = {4096, 4096};
    int ends[2];
    char bytes[2];
    if (setrlimit(RLIMIT_NOFILE, &most) < 0 || pipe(ends) < 0)
        give_up("setrlimit");
    say("start");
    int stream = dup(STDOUT_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    for (int i = 0; i < 300; i++) {
        if (fork() == 0)
            open_files();
        if (read(ends[0], bytes, 2) != 2)
            break;
    }
    dup2(stream, STDOUT_FILENO);
    say("end");
    return 0;
}
