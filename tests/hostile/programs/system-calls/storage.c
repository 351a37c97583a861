/* SPDX-License-Identifier: Apache-2.0 */
/* Swap, quotas and accounting.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/swap.h>

int main(void)
{
    int fd = open("/tmp/swap", O_CREAT | O_RDWR, 0600);
    if (ftruncate(fd, 4 * MIB) < 0)
        give_up("ftruncate");
    must_fail("swapon", swapon("/tmp/swap", 0));
    must_fail("swapoff", swapoff("/tmp/swap"));
    must_fail("acct", acct("/tmp/swap"));
    must_fail("quotactl", syscall(SYS_quotactl, 0x80000700, "/dev/pmem0", 0, NULL));
    return held();
}
