/* SPDX-License-Identifier: Apache-2.0 */
/* Offer PID 1 to the OOM killer as its first victim, and use up the memory. The job ends as one that had too
 * little memory, no matter which process is killed.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    int fd = open("/proc/1/oom_score_adj", O_WRONLY);
    if (fd >= 0 && write(fd, "1000", 4) != 4)
        give_up("write");
    say("start");
    while (use_memory(8 * MIB))
        ;
    return 9;
}
