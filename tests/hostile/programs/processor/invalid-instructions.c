/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are no instruction, and instructions that raise an exception.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

static void undefined(void)
{
    __asm__ volatile("ud2");
}

static void locked_nonsense(void)
{
    __asm__ volatile(".byte 0xf0, 0x0f, 0xc7, 0xc8"); /* the instruction of Intel's F00F bug */
}

static void too_long(void)
{
    __asm__ volatile(".fill 15, 1, 0x66; nop");
}

static void divide_by_zero(void)
{
    __asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cltd; idiv %%ecx" ::: "rax", "rcx", "rdx");
}

static void overflow(void)
{
    __asm__ volatile("mov $0x80000000, %%eax; cltd; mov $-1, %%ecx; idiv %%ecx" ::: "rax", "rcx", "rdx");
}

static void other_interrupt(void)
{
    __asm__ volatile("int $0x81");
}

int main(void)
{
    must_die("ud2", undefined);
    must_die("lock cmpxchg8b of a register", locked_nonsense);
    must_die("16 bytes", too_long);
    must_die("division by zero", divide_by_zero);
    must_die("division overflow", overflow);
    must_die("int 0x81", other_interrupt);
    return held();
}
