/* SPDX-License-Identifier: Apache-2.0 */
/* Children that are siblings of the program (CLONE_PARENT) end before it, with other exit codes. Only the
 * program's own end counts.
 *
 * result: exited 7
 * stdout: done
 */
#include "tests/hostile/attempt.h"

#include <sched.h>

int main(void)
{
    for (int i = 0; i < 50; i++) {
        long child = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0L);
        if (child < 0)
            give_up("clone");
        if (child == 0)
            _exit(i);
    }
    usleep(100000);
    say("done");
    return 7;
}
