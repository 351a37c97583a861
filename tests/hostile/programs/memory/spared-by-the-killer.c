/* SPDX-License-Identifier: Apache-2.0 */
/* A process that wants the OOM killer to spare it, and to take others first. It may not.
 *
 * result: oom
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    must_fail("a lower score", write(fd, "-1000", 5));
    held();
    while (use_memory(8 * MIB))
        ;
    return 9;
}
