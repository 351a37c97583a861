/* SPDX-License-Identifier: Apache-2.0 */
/* Talking to a VMM, in a process without rights. A VMM that was taken over chooses every byte that it
 * answers, and the files of its snapshot. So the process that has started it, which may be root, lets another
 * one send the commands and read the answers. That one becomes the user of the VMM, and can reach only the
 * VM's folder and the descriptors of the VM. */
#ifndef PE_WORKER_VMM_DIALOG_H
#define PE_WORKER_VMM_DIALOG_H

#include "base/error.h"
#include "worker/vmm/vmm.h"

#include <stdint.h>

/* What to say to the VMM of `vm`. Of what it changes, only vm->serial_fd (a socket, if there was none),
 * vm->spawn_us and vm->restore_us come back. Returns 0, or -1 with `err`. */
typedef int vmm_talk(const struct vm_host *host, struct vm *vm, void *context, struct pe_error *err);

/* Let another process call `talk`, and wait for it until `deadline_us` and a little longer. It has a copy of
 * `*context`, the descriptors of `vm`, and `fd` (-1: none). Fails as `talk` does, with PE_ERR_TIMEOUT after
 * the deadline, and with PE_ERR_INTERNAL if that process cannot be made or ends early. */
int vmm_dialog(const struct vm_host *host, struct vm *vm, uint64_t deadline_us, vmm_talk *talk, void *context,
               int fd, struct pe_error *err) PE_MUST_CHECK;

#endif
