/* SPDX-License-Identifier: Apache-2.0 */
/* Move pages of memory between nodes, and advise the kernel about the memory of PID 1.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    unsigned long nodes = 1;
    int init = (int)syscall(SYS_pidfd_open, 1, 0);
    const struct {
        void *start;
        size_t size;
    } range = {(void *)0x400000, PAGE}; /* NOLINT(performance-no-int-to-ptr) */
    must_fail("migrate_pages", syscall(SYS_migrate_pages, 0, 64, &nodes, &nodes));
    must_fail("move_pages", syscall(SYS_move_pages, 1, 0, NULL, NULL, NULL, 0));
    must_fail("mbind", syscall(SYS_mbind, 0, 0, 0, NULL, 0, 0));
    must_fail("set_mempolicy", syscall(SYS_set_mempolicy, 0, NULL, 0));
    must_fail("process_madvise", syscall(SYS_process_madvise, init, &range, 1, 21, 0));
    must_fail("process_mrelease", syscall(SYS_process_mrelease, init, 0));
    return held();
}
