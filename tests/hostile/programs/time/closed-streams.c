/* SPDX-License-Identifier: Apache-2.0 */
/* Close stdout and stderr, so that it looks as if the program had ended, and go on.
 *
 * job: {"timeout_ms": 1000}
 * result: timeout
 * stdout: before
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    say("before");
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    for (;;)
        pause();
}
