/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are larger than all disks, without any content.
 *
 * result: output_limit 0
 * files: 1
 * dropped: 2
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static const off_t sizes[] = {1, 1L << 40, INT64_MAX - PAGE};
    char name[32];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "/output/%d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0 || ftruncate(fd, sizes[i]) < 0)
            give_up("ftruncate");
    }
    return 0;
}
