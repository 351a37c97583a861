/* SPDX-License-Identifier: Apache-2.0 */
/* Tens of thousands of writes of one byte each.
 *
 * result: exited 0
 * stdout bytes: 50000
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    for (int i = 0; i < 50000; i++)
        if (write(STDOUT_FILENO, "x", 1) != 1)
            return 1;
    return 0;
}
