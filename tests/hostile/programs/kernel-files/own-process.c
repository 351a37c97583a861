/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the own process that would give it rights: maps of users, groups, labels, its login.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

static void must_not_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    must_fail(path, fd < 0 ? -1 : write(fd, text, strlen(text)));
}

int main(void)
{
    must_not_write("/proc/self/uid_map", "0 0 4294967295");
    must_not_write("/proc/self/gid_map", "0 0 4294967295");
    must_not_write("/proc/self/setgroups", "allow");
    must_not_write("/proc/self/oom_adj", "-17");
    must_not_write("/proc/self/attr/current", "unconfined");
    must_not_write("/proc/self/attr/exec", "unconfined");
    must_not_write("/proc/self/timens_offsets", "monotonic 1000 0");
    return held();
}
