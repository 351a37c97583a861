/* SPDX-License-Identifier: Apache-2.0 */
/* A program lets the processor trap after each of its own instructions, also over system calls.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

static void trap_each_instruction(void)
{
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; nop" ::: "memory", "cc");
}

static void trap_in_system_call(void)
{
    long number = SYS_getpid;
    signal(SIGTRAP, SIG_IGN);
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; syscall; nop"
                     : "+a"(number)
                     :
                     : "memory", "cc", "rcx", "r11");
}

int main(void)
{
    must_die("the trap flag", trap_each_instruction);
    must_die("the trap flag in a system call", trap_in_system_call);
    return held();
}
