/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that only a kernel may execute. Each ends its process, except that calls of a hypervisor may
 * also do nothing: they arrive at that of the host, if there is one, which answers only to kernels.
 *
 * engines: each
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#define INSTRUCTION(name, ...)                                           \
    static void name(void)                                               \
    {                                                                    \
        __asm__ volatile(__VA_ARGS__ ::: "memory", "rax", "rcx", "rdx"); \
    }
INSTRUCTION(halt, "hlt")
INSTRUCTION(mask_interrupts, "cli")
INSTRUCTION(read_port, "mov $0x60, %%dx; inb %%dx, %%al")
INSTRUCTION(write_port, "mov $0xf4, %%dx; outb %%al, %%dx")
INSTRUCTION(reset, "mov $0xcf9, %%dx; mov $6, %%al; outb %%al, %%dx")
INSTRUCTION(read_register, "mov %%cr0, %%rax")
INSTRUCTION(write_register, "xor %%eax, %%eax; mov %%rax, %%cr3")
INSTRUCTION(debug_register, "mov %%rax, %%dr7")
INSTRUCTION(read_msr, "mov $0x1b, %%ecx; rdmsr")
INSTRUCTION(write_msr, "mov $0xc0000080, %%ecx; wrmsr")
INSTRUCTION(flush_entry, "invlpg (%%rsp)")
INSTRUCTION(flush_caches, "wbinvd")
INSTRUCTION(load_table, "lgdt (%%rsp)")
INSTRUCTION(load_interrupts, "lidt (%%rsp)")
INSTRUCTION(swap_base, "swapgs")
INSTRUCTION(return_from_interrupt, "sysretq")
INSTRUCTION(start_virtual_machine, "vmlaunch")
INSTRUCTION(call_hypervisor, "vmcall")
INSTRUCTION(call_hypervisor_of_amd, "vmmcall")

int main(void)
{
    static const struct {
        const char *name;
        void (*execute)(void);
    } instructions[] = {{"hlt", halt},
                        {"cli", mask_interrupts},
                        {"in", read_port},
                        {"out", write_port},
                        {"reset", reset},
                        {"read cr0", read_register},
                        {"write cr3", write_register},
                        {"write dr7", debug_register},
                        {"rdmsr", read_msr},
                        {"wrmsr", write_msr},
                        {"invlpg", flush_entry},
                        {"wbinvd", flush_caches},
                        {"lgdt", load_table},
                        {"lidt", load_interrupts},
                        {"swapgs", swap_base},
                        {"sysret", return_from_interrupt},
                        {"vmlaunch", start_virtual_machine}};
    for (size_t i = 0; i < sizeof instructions / sizeof *instructions; i++)
        must_die(instructions[i].name, instructions[i].execute);
    in_child(call_hypervisor);
    in_child(call_hypervisor_of_amd);
    return held();
}
