/* SPDX-License-Identifier: Apache-2.0 */
/* The heap grows until there is no more memory.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    say("start");
    for (;;) {
        char *more = sbrk(MIB);
        if (more == (char *)-1) /* NOLINT(performance-no-int-to-ptr) */
            return 9;
        memset(more, 1, MIB);
    }
}
