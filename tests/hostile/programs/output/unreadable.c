/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders that nobody may read, that belong to others, and that would run as another user.
 *
 * result: exited 0
 * files: 2
 * folders: 1
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>

int main(void)
{
    mkdir("/output/closed", 0000);
    close(open("/output/closed/file", O_CREAT | O_WRONLY, 0000));
    close(open("/output/other", O_CREAT | O_WRONLY, 0000));
    if (chown("/output/other", 12345, 54321) < 0 || chmod("/output/other", 06000) < 0 ||
        chmod("/output", 0000) < 0)
        give_up("chmod");
    return 0;
}
