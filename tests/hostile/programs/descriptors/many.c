/* SPDX-License-Identifier: Apache-2.0 */
/* As many open files as possible, after raising the limit as far as possible.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/resource.h>

int main(void)
{
    const struct rlimit most = {4096, 4096}, more = {8192, 8192};
    must_fail("more than 4096 open files", setrlimit(RLIMIT_NOFILE, &more));
    if (setrlimit(RLIMIT_NOFILE, &most) < 0)
        give_up("setrlimit");
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    return held();
}
