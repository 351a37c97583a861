/* SPDX-License-Identifier: Apache-2.0 */
/* Return from a signal that never came, to a state that no program may have: segments and flags of the
 * kernel, instruction and stack pointers in it, a floating-point state that the processor refuses.
 *
 * engines: each
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <ucontext.h>

static int variant;

static void on_signal(int number, siginfo_t *info, void *frame)
{
    ucontext_t *context = frame;
    greg_t *registers = context->uc_mcontext.gregs;
    (void)number;
    (void)info;
    switch (variant) {
    case 0:
        registers[REG_RIP] = (greg_t)0xffffffff81000000;
        break;
    case 1:
        registers[REG_RIP] = (greg_t)0x8000000000000000;
        break;
    case 2:
        registers[REG_CSGSFS] = 0x10;
        registers[REG_RIP] = 0;
        break;
    case 3:
        registers[REG_CSGSFS] = (greg_t)0xffffffffffffffff;
        break;
    case 4:
        registers[REG_RSP] = (greg_t)0xffff888000000000;
        registers[REG_RIP] = 0;
        break;
    case 5:
        if (context->uc_mcontext.fpregs)
            memset(context->uc_mcontext.fpregs, 0xff, 512);
        registers[REG_RIP] = 0;
        break;
    default:
        context->uc_mcontext.fpregs = (fpregset_t)0xffff888000000000; /* NOLINT(performance-no-int-to-ptr) */
        registers[REG_RIP] = 0;
        break;
    }
    registers[REG_EFL] = (greg_t)0x3fffff; /* all flags, among them those that only a kernel may change */
}

static void return_to_forged_state(void)
{
    const struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESETHAND};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

int main(void)
{
    for (variant = 0; variant < 7; variant++)
        must_die("a forged frame", return_to_forged_state);
    return held();
}
