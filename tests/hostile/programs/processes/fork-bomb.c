/* SPDX-License-Identifier: Apache-2.0 */
/* Every process forks for ever, from as many processes as there may be.
 *
 * job: {"timeout_ms": 1500}
 * engines: each
 * result: timeout
 * stdout: before
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    say("before");
    for (;;)
        if (fork() < 0)
            usleep(1000);
}
