/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions of the floating-point units, which are usually masked. QEMU's emulation has none of the vector
 * unit, so there the program goes on.
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

/* The process gets the signal of an arithmetic error or of a fault, or nothing happens. */
static void only_itself(const char *what, void (*run)(void))
{
    int status = in_child(run);
    if (status != 0 && (!WIFSIGNALED(status) || (WTERMSIG(status) != SIGFPE && WTERMSIG(status) != SIGSEGV)))
        breach(what);
}

int main(void)
{
    only_itself("division by zero of the vector unit", vector_unit);
    only_itself("division by zero of the x87", old_unit);
    only_itself("reserved bits", reserved_bits);
    return held();
}
