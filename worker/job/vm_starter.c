/* SPDX-License-Identifier: Apache-2.0 */
/* Starting VMs in this process. The other way is in worker/slot_helper.c. */
#include "worker/job/vm_starter.h"

#include "worker/host/orphans.h"

static int start(void *context, const struct vm_spec *spec, const struct vm_snapshot *snapshot, struct vm *vm,
                 struct pe_error *err)
{
    const struct vm_host *host = context;
    return snapshot ? vm_clone(host, spec, snapshot, vm, err) : vm_boot(host, spec, vm, err);
}

static int save(void *context, struct vm *vm, struct vm_snapshot *snapshot, struct pe_error *err)
{
    const struct vm_host *host = context;
    return vm_save(host, vm, snapshot, err);
}

static void kill_vm(void *context, struct vm *vm)
{
    (void)context;
    if (vm->pid > 0)
        orphans_end(vm->pid, NULL, 0);
    vm_kill(vm);
}

struct vm_starter vm_starter_of_host(struct vm_host *host)
{
    return (struct vm_starter){.context = host, .start = start, .save = save, .kill = kill_vm};
}
