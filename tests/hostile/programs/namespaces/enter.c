/* SPDX-License-Identifier: Apache-2.0 */
/* Enter the namespaces of other processes.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sched.h>

int main(void)
{
    static const char *const names[] = {"mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"};
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "/proc/1/ns/%s", names[i]);
        must_not_open(path, O_RDONLY);
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        int own = open(path, O_RDONLY);
        if (own >= 0)
            must_fail(path, setns(own, 0));
    }
    int init = (int)syscall(SYS_pidfd_open, 1, 0);
    must_fail("setns with a pidfd", setns(init, CLONE_NEWNS | CLONE_NEWPID));
    return held();
}
