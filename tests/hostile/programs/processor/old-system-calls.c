/* SPDX-License-Identifier: Apache-2.0 */
/* Enter the kernel with instructions that 64-bit programs do not use.
 *
 * result: exited 0
 * stdout: end
 */
#include "tests/hostile/attempt.h"

static void enter(void)
{
    __asm__ volatile("mov $20, %%eax; sysenter" ::: "memory", "rax", "rcx", "rdx");
}

static void interrupt(void)
{
    long number = 20;
    __asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
}

static void call_gate(void)
{
    static const struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) gate = {0, 7};
    __asm__ volatile("lcall *%0" : : "m"(gate) : "memory");
}

int main(void)
{
    in_child(enter);
    in_child(interrupt);
    in_child(call_gate);
    say("end");
    return 0;
}
