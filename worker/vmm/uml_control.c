/* SPDX-License-Identifier: Apache-2.0 */
/* Pausing a VM of User Mode Linux. Its kernel is a process, so signals do it. A program of the guest that
 * computes goes on until its next system call, page fault or tick. */
#include "worker/vmm/control.h"

#include <signal.h>

static int signal_kernel(const struct vm_control *control, int number, struct pe_error *err)
{
    return kill(control->vm->pid, number) == 0 ? 0 : pe_fail_errno(err, "cannot signal the kernel of the VM");
}

static int uml_pause(struct vm_control *control, struct pe_error *err)
{
    return signal_kernel(control, SIGSTOP, err);
}

static int uml_resume(struct vm_control *control, struct pe_error *err)
{
    return signal_kernel(control, SIGCONT, err);
}

const struct vmm_control_calls uml_control = {.pause = uml_pause, .resume = uml_resume};
