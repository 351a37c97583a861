/* SPDX-License-Identifier: Apache-2.0 */
/* Jump into the page of old system calls at a fixed address, at its entries and between them.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

static uint64_t entry;

static void call_entry(void)
{
    __asm__ volatile("xor %%edi, %%edi; xor %%esi, %%esi; call *%0"
                     :
                     : "r"(entry)
                     : "memory", "rax", "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11");
}

static void write_there(void)
{
    __asm__ volatile("movq $0, (%0)" : : "r"(entry) : "memory");
}

int main(void)
{
    for (entry = 0xffffffffff600000; entry < 0xffffffffff601000; entry += 0x400)
        in_child(call_entry);
    entry = 0xffffffffff600000;
    must_die("writing to it", write_there);
    entry = 0xffffffffff600007;
    must_die("a jump between its entries", call_entry);
    return held();
}
