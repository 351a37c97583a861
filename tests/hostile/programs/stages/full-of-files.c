/* SPDX-License-Identifier: Apache-2.0 */
/* The first stage leaves so many files that there is no memory left for the second.
 *
 * stages: fill use
 * result: exited 0 or oom
 * ends: exited signaled
 * stdout:
 */
#include "tests/hostile/attempt.h"

int main(int argc, char **argv)
{
    static char block[MIB];
    if (argc > 1 && strcmp(argv[1], "fill") == 0) {
        int fd = open("/tmp/big", O_CREAT | O_WRONLY, 0600);
        for (int i = 0; i < 200; i++)
            if (write(fd, block, sizeof block) < 0)
                return 1;
        return 0;
    }
    use_memory(100 * MIB);
    say("it fits");
    return 0;
}
