/* SPDX-License-Identifier: Apache-2.0 */
/* More processes than the job asked for.
 *
 * job: {"process_limit": 5}
 * result: exited 0
 * stdout: 4 children
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    int count = 0;
    for (;; count++) {
        pid_t child = fork();
        if (child < 0)
            break;
        if (child == 0)
            for (;;)
                pause();
    }
    printf("%d children\n", count);
    return 0;
}
