/* SPDX-License-Identifier: Apache-2.0 */
/* Crash or restart the kernel with a system request.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static const char keys[] = "cbof";
    for (const char *key = keys; *key; key++) {
        int fd = open("/proc/sysrq-trigger", O_WRONLY);
        must_fail("a system request", fd < 0 ? -1 : write(fd, key, 1));
    }
    return held();
}
