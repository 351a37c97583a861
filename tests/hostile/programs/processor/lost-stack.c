/* SPDX-License-Identifier: Apache-2.0 */
/* Signals and system calls while the stack pointer points nowhere.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

static void on_fault(int number)
{
    _exit(number != SIGSEGV);
}

static void no_stack(void)
{
    signal(SIGSEGV, on_fault);
    __asm__ volatile("xor %%esp, %%esp; push %%rax" ::: "memory");
}

static void stack_in_the_kernel(void)
{
    signal(SIGSEGV, on_fault);
    __asm__ volatile("mov $0xffff888000000000, %%rsp; mov $39, %%eax; syscall; push %%rax"
                     :
                     :
                     : "memory", "rax", "rcx", "r11");
}

static void stack_without_address(void)
{
    __asm__ volatile("mov $0x8000000000000000, %%rsp; push %%rax" ::: "memory");
}

int main(void)
{
    must_die("no stack", no_stack);
    must_die("a stack in the kernel", stack_in_the_kernel);
    must_die("a stack without an address", stack_without_address);
    return held();
}
