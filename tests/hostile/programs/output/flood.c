/* SPDX-License-Identifier: Apache-2.0 */
/* More on stdout than is kept. The program is not stopped, and what is kept is marked as cut.
 *
 * result: exited 4
 * stdout bytes: 1048576
 * truncated: stdout
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static char block[64 * 1024];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 512; i++)
        if (write(STDOUT_FILENO, block, sizeof block) < 0)
            return 1;
    return 4;
}
