/* SPDX-License-Identifier: Apache-2.0 */
/* Leave the root directory: chroot and then many times "..", and magic links of other processes.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>

int main(void)
{
    struct stat root, above;
    mkdir("/tmp/cell", 0700);
    must_fail("chroot", chroot("/tmp/cell"));
    must_fail("chdir to the root of PID 1", chdir("/proc/1/root"));
    must_fail("chdir to the folder of PID 1", chdir("/proc/1/cwd"));
    for (int i = 0; i < 100; i++)
        if (chdir("..") < 0)
            give_up("chdir");
    if (stat(".", &above) < 0 || stat("/", &root) < 0)
        give_up("stat");
    if (root.st_dev != above.st_dev || root.st_ino != above.st_ino)
        breach("a folder above the root");
    return held();
}
