/* SPDX-License-Identifier: Apache-2.0 */
/* Files that were changed before 1970 and in the far future.
 *
 * result: exited 0
 * files: 3
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>
#include <time.h>

int main(void)
{
    static const time_t times[] = {-1, INT32_MIN, INT64_MAX};
    char name[32];
    for (int i = 0; i < 3; i++) {
        const struct timespec both[] = {{times[i], 999999999}, {times[i], 999999999}};
        snprintf(name, sizeof name, "/output/%d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (futimens(fd, both) < 0)
            give_up("futimens");
    }
    return 0;
}
