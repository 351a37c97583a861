/* SPDX-License-Identifier: Apache-2.0 */
/* Many writes of one byte each, to both streams in turn, whose order is kept.
 *
 * job: {"combined": true}
 * result: exited 0
 * stdout bytes: 5000
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    for (int i = 0; i < 10000; i++)
        if (write(i & 1 ? STDOUT_FILENO : STDERR_FILENO, "x", 1) != 1)
            return 1;
    return 0;
}
