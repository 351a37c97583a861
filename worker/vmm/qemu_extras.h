/* SPDX-License-Identifier: Apache-2.0 */
/* What QEMU's command line has for the VM of an operator (struct vm_extras). */
#ifndef PE_WORKER_VMM_QEMU_EXTRAS_H
#define PE_WORKER_VMM_QEMU_EXTRAS_H

#include "base/error.h"
#include "worker/vmm/argv_builder.h"
#include "worker/vmm/fd_list.h"
#include "worker/vmm/vmm.h"

/* The kernel's command line, in front of what the operator adds. */
#define QEMU_EXTRAS_COMMAND_LINE "console=ttyS0 panic=-1 mitigations=off"

/* Sockets for devices that come and go, each an own PCI Express port. */
#define QEMU_EXTRAS_PORTS 6

/* Open the host's side of vsock if the VM has one; otherwise `*fd` stays -1. PE_ERR_INVALID if the host has
 * none. */
int qemu_extras_open_vsock(const struct vm_extras *extras, int *fd, struct pe_error *err) PE_MUST_CHECK;

/* Add the value of -m: the memory, and how much it can become. */
void qemu_extras_add_memory_size(struct argv_builder *args, const struct vm_spec *spec);

/* Add the devices. `agent` is the other end of vm->agent_fd, and `vsock` is from qemu_extras_open_vsock. */
void qemu_extras_add(struct argv_builder *args, struct fd_list *list, const struct vm_extras *extras,
                     int agent, int vsock);

#endif
