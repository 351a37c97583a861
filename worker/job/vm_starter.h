/* SPDX-License-Identifier: Apache-2.0 */
/* Who starts, saves and kills the VMs of a process. A slot has no rights, and lets its helper do it
 * (worker/slot_helper.h). A program that has the rights does it by itself. */
#ifndef PE_WORKER_JOB_VM_STARTER_H
#define PE_WORKER_JOB_VM_STARTER_H

#include "base/error.h"
#include "worker/vmm/vmm.h"

/* All zero: none, which a machine without a VM has. The functions with `err` return 0, or -1. */
struct vm_starter {
    void *context; /* borrowed, first argument of the functions */

    /* Start a VM: a clone of `snapshot`, or a boot if that is NULL. As vm_clone and vm_boot. */
    int (*start)(void *context, const struct vm_spec *spec, const struct vm_snapshot *snapshot, struct vm *vm,
                 struct pe_error *err);

    /* As vm_save. `*snapshot` stays VM_SNAPSHOT_NONE if somebody else keeps the snapshot. `*vm` still has to
     * be killed. */
    int (*save)(void *context, struct vm *vm, struct vm_snapshot *snapshot, struct pe_error *err);

    /* Let the VM die without waiting for that: `kill` has to follow, and waits. NULL: there is only `kill`.
     */
    void (*begin_kill)(void *context, struct vm *vm);

    /* As vm_kill. */
    void (*kill)(void *context, struct vm *vm);
};

/* The starter of a process that has the rights to start VMs itself. `host` must outlive it, and has been
 * confined (vm_host_confine). The process has adopted orphans (worker/host/orphans.h), makes one VM at a
 * time, and has no other children: they would be killed together with the VM. */
struct vm_starter vm_starter_of_host(struct vm_host *host);

#endif
