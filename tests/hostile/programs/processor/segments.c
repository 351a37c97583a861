/* SPDX-License-Identifier: Apache-2.0 */
/* Load segment registers with selectors that do not exist, and bases in the kernel.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <asm/prctl.h>

static void load_selector(void)
{
    __asm__ volatile("mov $0x1234, %%eax; mov %%eax, %%ds" ::: "rax");
}

static void load_stack_selector(void)
{
    __asm__ volatile("xor %%eax, %%eax; mov %%eax, %%ss" ::: "rax");
}

/* The call fails, or the kernel ends the process, because the processor refuses such a base. */
static void set_base(long segment, unsigned long base)
{
    if (syscall(SYS_arch_prctl, segment, base) < 0)
        raise(SIGKILL);
}

static void set_gs(void)
{
    set_base(ARCH_SET_GS, 0xffff888000000000);
}

static void set_fs(void)
{
    set_base(ARCH_SET_FS, 0xffffffff81000000);
}

int main(void)
{
    must_die("a selector", load_selector);
    must_die("no stack segment", load_stack_selector);
    must_die("gs in the kernel", set_gs);
    must_die("fs in the kernel", set_fs);
    return held();
}
