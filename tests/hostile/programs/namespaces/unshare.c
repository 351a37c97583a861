/* SPDX-License-Identifier: Apache-2.0 */
/* New namespaces, in which a process would have more rights.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sched.h>

int main(void)
{
    static const int kinds[] = {CLONE_NEWUSER,
                                CLONE_NEWNS,
                                CLONE_NEWPID,
                                CLONE_NEWNET,
                                CLONE_NEWIPC,
                                CLONE_NEWUTS,
                                CLONE_NEWCGROUP,
                                0x80 /* CLONE_NEWTIME */,
                                CLONE_NEWUSER | CLONE_NEWNS};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char what[32];
        snprintf(what, sizeof what, "namespace %#x", (unsigned)kinds[i]);
        must_fail(what, unshare(kinds[i]));
        long child = syscall(SYS_clone, (long)kinds[i] | SIGCHLD, NULL, NULL, NULL, 0L);
        if (child == 0)
            _exit(0);
        if (kinds[i] != 0x80) /* these bits are the signal of the child's end for clone(2) */
            must_fail(what, child);
    }
    return held();
}
