/* SPDX-License-Identifier: Apache-2.0 */
/* Fifty processes flood both streams at the same time.
 *
 * result: exited 0
 * stdout bytes: 1048576
 * truncated: stdout stderr
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static char block[4096];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 50; i++)
        if (fork() == 0) {
            ssize_t written = 1;
            for (int j = 0; j < 10 && written > 0; j++)
                written =
                    write(STDOUT_FILENO, block, sizeof block) + write(STDERR_FILENO, block, sizeof block);
            _exit(written <= 0);
        }
    while (wait(NULL) > 0)
        ;
    return 0;
}
