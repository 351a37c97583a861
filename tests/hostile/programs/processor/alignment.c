/* SPDX-License-Identifier: Apache-2.0 */
/* Let the processor check alignment, and access memory that is not aligned.
 *
 * result: exited 0
 * stdout: end
 */
#include "tests/hostile/attempt.h"

static void misaligned(void)
{
    char bytes[16];
    __asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq; movl $1, 1(%0)" : : "r"(bytes) : "memory", "cc");
}

static void misaligned_vector(void)
{
    char bytes[64];
    char *odd = (char *)(((uintptr_t)bytes & ~(uintptr_t)15) + 17); /* NOLINT(performance-no-int-to-ptr) */
    __asm__ volatile("movaps %%xmm0, (%0)" : : "r"(odd) : "memory");
}

int main(void)
{
    in_child(misaligned);
    must_die("movaps", misaligned_vector);
    say("end");
    return 0;
}
