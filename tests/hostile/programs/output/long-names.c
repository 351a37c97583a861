/* SPDX-License-Identifier: Apache-2.0 */
/* Names of 255 bytes, in paths that are longer than they may be.
 *
 * result: output_limit 0
 * folders: 4
 * dropped: 1
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>

int main(void)
{
    char name[256];
    memset(name, 'n', 255);
    name[255] = 0;
    if (chdir("/output") < 0)
        give_up("chdir");
    for (int i = 0; i < 20; i++)
        if (mkdir(name, 0700) < 0 || chdir(name) < 0)
            give_up("mkdir");
    return 0;
}
