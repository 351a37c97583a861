/* SPDX-License-Identifier: Apache-2.0 */
/* Output without end, of a job that wants to be stopped at its limit, by a program that ignores signals.
 *
 * job: {"on_output_limit": "stop"}
 * result: stream_limit
 * stdout bytes: 1048576
 * truncated: stdout
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static char block[4096];
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_IGN);
    memset(block, 'x', sizeof block);
    for (;;)
        if (write(STDOUT_FILENO, block, sizeof block) < 0)
            continue;
}
