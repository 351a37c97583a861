/* SPDX-License-Identifier: Apache-2.0 */
/* Folders in folders, far deeper than a path may be.
 *
 * result: output_limit 0
 * folders: 32
 * dropped: 1
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>

int main(void)
{
    if (chdir("/output") < 0)
        give_up("chdir");
    for (int i = 0; i < 5000; i++)
        if (mkdir("d", 0700) < 0 || chdir("d") < 0)
            give_up("mkdir");
    return close(open("bottom", O_CREAT | O_WRONLY, 0600));
}
