/* SPDX-License-Identifier: Apache-2.0 */
/* Jump to addresses of the kernel, to addresses that no processor has, and to 32-bit code.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

static uint64_t target;

static void jump(void)
{
    __asm__ volatile("jmp *%0" : : "r"(target));
}

static void far_jump(void)
{
    __asm__ volatile("pushq $0x23; pushq $0; lretq");
}

int main(void)
{
    static const uint64_t targets[] = {0,
                                       0xffffffff81000000,
                                       0xffff888000000000,
                                       0x8000000000000000,
                                       0x00007fffffffffff,
                                       0xffffffffffffffff};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        target = targets[i];
        must_die("a jump", jump);
    }
    must_die("a jump to 32-bit code at address 0", far_jump);
    return held();
}
