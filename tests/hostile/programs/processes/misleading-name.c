/* SPDX-License-Identifier: Apache-2.0 */
/* Processes with names that confuse readers of /proc/PID/stat, and with those of the programs that watch
 * them.
 *
 * result: exited 0
 * stdout: done
 */
#include "tests/hostile/attempt.h"

#include <sys/prctl.h>

int main(void)
{
    static const char *const names[] = {"pe-init", "pe-shim", ") Z 0 0 0", "\n1 (x) R\n", "\x1b[2J\xff", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (fork() == 0) {
            prctl(PR_SET_NAME, names[i]);
            for (;;)
                pause();
        }
    usleep(50000);
    say("done");
    return 0;
}
