/* SPDX-License-Identifier: Apache-2.0 */
/* Where the compiler finds the guard: on x86-64 at offset 0x28 of the thread's block (GCC manual,
 * -mstack-protector-guard), elsewhere in a variable of the C library. */
#include "guest-init/stack_guard.h"

#include <stdint.h>
#include <sys/random.h>

STACK_GUARD_NONE void stack_guard_renew(void)
{
    uint64_t guard = 0;
    if (getrandom(&guard, sizeof guard, 0) != (ssize_t)sizeof guard)
        return;
    guard &= ~(uint64_t)0xff; /* as in the C library: a copy of a text cannot pass over a NUL */
#if defined(__x86_64__)
    __asm__ volatile("movq %0, %%fs:0x28" : : "r"(guard) : "memory");
#else
    extern uintptr_t __stack_chk_guard;
    __stack_chk_guard = (uintptr_t)guard;
#endif
}
