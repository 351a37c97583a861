/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions of the floating-point units, which are usually masked.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

static void vector_unit(void)
{
    const uint32_t control = 0; /* nothing is masked */
    __asm__ volatile("ldmxcsr %0; xorps %%xmm0, %%xmm0; divss %%xmm0, %%xmm0" : : "m"(control) : "xmm0");
}

static void old_unit(void)
{
    const uint16_t control = 0x300;
    __asm__ volatile("fldcw %0; fldz; fldz; fdivp; fwait" : : "m"(control));
}

static void reserved_bits(void)
{
    const uint32_t control = 0xffffffff;
    __asm__ volatile("ldmxcsr %0" : : "m"(control));
}

int main(void)
{
    must_die("division by zero of the vector unit", vector_unit);
    must_die("division by zero of the x87", old_unit);
    must_die("reserved bits", reserved_bits);
    return held();
}
