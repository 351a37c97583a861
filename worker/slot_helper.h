/* SPDX-License-Identifier: Apache-2.0 */
/* The two processes of a slot. The slot itself reads what guests and the balancer send, so it has no rights
 * (worker/slot_rights.h). What needs the rights of the worker is done by its helper, a child that is forked
 * before the slot gives its rights up. The helper reads nothing from guests. It takes four requests:
 *
 *   - start a VM: its devices and, for a clone, its snapshot are descriptors of the slot. Everything else
 *     (program, kernel, size, jail, user) is in the helper's copy of the configuration.
 *   - kill that VM. A helper has at most one.
 *   - connect to a balancer as a slot. The token stays with the link that does it (worker/balancer_link.h).
 *   - connect to the template server of the worker.
 *
 * A slot that was taken over can therefore start and kill its own VM, in the jail of every VM, and send to
 * the balancers what a slot can send. The helper ends with its slot, and its VM ends with the helper.
 *
 * A template is made in the same way by two processes (worker/template_maker.c). */
#ifndef PE_WORKER_SLOT_HELPER_H
#define PE_WORKER_SLOT_HELPER_H

#include "base/error.h"
#include "worker/config.h"
#include "worker/job/machine.h"
#include "worker/vmm/vmm.h"

#include <sys/types.h>

/* In this time the helper has answered any request. It takes the longest for saving a VM (VM_SAVE_MS), and
 * keeps limits of its own below this one, so a helper that has not answered was stopped, or hangs. Then the
 * slot ends as if the helper had, and the supervisor starts it again with another helper. The old one ends
 * with its VM as soon as it goes on. */
#define SLOT_HELPER_ANSWER_MS 120000u

/* The slot's end. */
struct slot_helper {
    int fd;     /* socket to the helper */
    bool lost;  /* the helper has ended or does not answer, and the slot can start no VM any more */
    bool kills; /* the reply to slot_helper_begin_kill_vm has not been read yet */
};

/* Fork the helper, which first removes what an earlier process of this slot left. The configuration must
 * be complete. PE_ERR_INTERNAL if the process cannot be made. */
int slot_helper_start(const struct worker_config *config, struct slot_helper *helper,
                      struct pe_error *err) PE_MUST_CHECK;

/* Let requests over `fd`, the socket to a helper, fail with PE_ERR_LOST if the answer takes longer than so
 * many milliseconds. PE_ERR_INTERNAL if `fd` is no socket. */
int slot_helper_set_patience(int fd, unsigned patience_ms, struct pe_error *err) PE_MUST_CHECK;

/* Start a VM: a clone of `snapshot`, or a boot if it is NULL. Of `spec`, only the descriptors and `savable`
 * count. `*vm` gets the serial port and the log, and has to be killed with slot_helper_kill_vm. Errors are
 * those of vm_boot and vm_clone; PE_ERR_LOST also if the helper has ended. */
int slot_helper_start_vm(struct slot_helper *helper, const struct vm_spec *spec,
                         const struct vm_snapshot *snapshot, struct vm *vm,
                         struct pe_error *err) PE_MUST_CHECK;

/* Save the VM, which is at rest, as the template that this process makes, and which the helper keeps. The VM
 * has ended then. Errors are those of vm_save; PE_ERR_LOST also if the helper has ended. */
int slot_helper_save_vm(struct slot_helper *helper, struct pe_error *err) PE_MUST_CHECK;

/* Let the VM die without waiting for that. slot_helper_kill_vm has to follow. */
void slot_helper_begin_kill_vm(struct slot_helper *helper, const struct vm *vm);

/* As vm_kill. When this returns, nothing of the VM runs any more. */
void slot_helper_kill_vm(struct slot_helper *helper, struct vm *vm);

/* How the machines of the process that `config` belongs to are made: its helper starts their VMs. Borrows
 * from `config`. */
struct machine_host slot_helper_machines(const struct worker_config *config);

/* Let a link connect to the balancer `number`. An earlier link to it ends, and with it a connection with TLS.
 * Returns the socket for balancer_link_receive, which the caller owns, and which is readable when the link is
 * done. PE_ERR_BUSY if there were too many requests, PE_ERR_LOST if the helper has ended. */
int slot_helper_link_balancer(struct slot_helper *helper, size_t number, struct pe_error *err) PE_MUST_CHECK;

/* Returns a connected socket, which the caller owns. PE_ERR_LOST if nobody listens there. */
int slot_helper_connect_templates(struct slot_helper *helper, struct pe_error *err) PE_MUST_CHECK;

/* Be the helper of a process that makes a template: `child`, the other end of whose socket is `fd`. It may
 * boot VMs that can be saved, kill them, and save one. Returns when that process has closed its end, and
 * then nothing of a VM runs any more. `*snapshot` is the caller's, and VM_SNAPSHOT_NONE if the process
 * has saved none. */
void slot_helper_serve_maker(const struct worker_config *config, int fd, pid_t child,
                             struct vm_snapshot *snapshot);

#endif
