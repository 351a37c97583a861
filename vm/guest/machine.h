/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent does with the guest as a whole. */
#ifndef PE_VM_GUEST_MACHINE_H
#define PE_VM_GUEST_MACHINE_H

#include "base/error.h"

/* As PID 1: mount the file systems of the kernel, load its modules, and bring the loopback interface up.
 * PE_ERR_INTERNAL if a file system cannot be mounted or a module cannot be loaded; that the interface stays
 * down is no error. */
int machine_prepare(struct pe_error *err) PE_MUST_CHECK;

/* Put all CPUs and all memory that the machine has into use. What the kernel refuses stays as it is. */
void machine_use_everything(void);

/* End the VM. Returns only if that is not permitted. */
void machine_power_off(void);

#endif
