/* SPDX-License-Identifier: Apache-2.0 */
/* The first stage offers PID 1, which watches it, to the OOM killer as its first victim. If that ends the
 * watch, it ends the job as well: no other stage runs.
 *
 * stages: eat run
 * result: oom or exited 0
 * stdout: eat
 */
#include "tests/hostile/attempt.h"

int main(int argc, char **argv)
{
    if (argc > 1)
        say(argv[1]);
    int fd = open("/proc/1/oom_score_adj", O_WRONLY);
    if (fd >= 0 && write(fd, "1000", 4) != 4)
        give_up("write");
    while (use_memory(8 * MIB))
        ;
    return 9;
}
