/* SPDX-License-Identifier: Apache-2.0 */
/* One file with a hundred names. Each name counts with the whole size.
 *
 * result: output_limit 0
 * files: 16
 * dropped: 84
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static char block[MIB];
    char name[32];
    int fd = open("/output/000", O_CREAT | O_WRONLY, 0600);
    if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
        give_up("write");
    for (int i = 1; i < 100; i++) {
        snprintf(name, sizeof name, "/output/%03d", i);
        if (link("/output/000", name) < 0)
            give_up("link");
    }
    return 0;
}
