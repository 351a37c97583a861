/* SPDX-License-Identifier: Apache-2.0 */
/* A child that adopts orphans (PR_SET_CHILD_SUBREAPER) and starts a new one for each that ends, while the
 * program ends.
 *
 * result: exited 0
 * stdout: the program ends
 */
#include "tests/hostile/attempt.h"

#include <sys/prctl.h>

int main(void)
{
    if (fork() == 0) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        for (;;) {
            if (fork() == 0) {
                fork();
                _exit(0);
            }
            wait(NULL);
        }
    }
    usleep(200000);
    say("the program ends");
    return 0;
}
