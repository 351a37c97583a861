/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes full of bytes that nobody reads, as many as there can be, each as large as it can be.
 *
 * result: exited 0
 * stdout: limited
 */
#include "tests/hostile/attempt.h"

#include <sys/resource.h>

int main(void)
{
    static char block[MIB];
    const struct rlimit most = {4096, 4096};
    int ends[2];
    setrlimit(RLIMIT_NOFILE, &most);
    while (pipe2(ends, O_NONBLOCK) == 0) {
        fcntl(ends[1], F_SETPIPE_SZ, MIB);
        while (write(ends[1], block, sizeof block) > 0)
            ;
    }
    say("limited");
    return 0;
}
