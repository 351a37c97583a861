/* SPDX-License-Identifier: Apache-2.0 */
/* Load and remove modules of the kernel.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    int self = open("/proc/self/exe", O_RDONLY);
    must_fail("init_module", syscall(SYS_init_module, "", 0, ""));
    must_fail("finit_module", syscall(SYS_finit_module, self, "", 0));
    must_fail("delete_module", syscall(SYS_delete_module, "overlay", O_NONBLOCK));
    return held();
}
