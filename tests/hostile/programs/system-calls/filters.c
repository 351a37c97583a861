/* SPDX-License-Identifier: Apache-2.0 */
/* Remove the filter of system calls, or get a descriptor that decides about them in its place.
 *
 * engines: each
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/reboot.h>

int main(void)
{
    must_fail("no filter", prctl(PR_SET_SECCOMP, SECCOMP_MODE_DISABLED, 0, 0, 0));
    must_fail("new privileges", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    must_fail("reading the filter", syscall(SYS_ptrace, 0x420c /* PTRACE_SECCOMP_GET_FILTER */, 1, 0, NULL));
    must_fail("a program's memory map", prctl(PR_SET_MM, PR_SET_MM_START_CODE, 0x400000, 0, 0));
    if (prctl(PR_GET_SECCOMP) != 2 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        breach("the filter is gone");
    must_fail("reboot", reboot(RB_ENABLE_CAD));
    return held();
}
