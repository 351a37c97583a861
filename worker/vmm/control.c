/* SPDX-License-Identifier: Apache-2.0 */
/* Which call a VMM has, and the sentence for those that it has not. The calls are in the *_control.c of the
 * drivers. */
#include "worker/vmm/control.h"

#include "worker/vmm/driver.h"

void vm_control_free(struct vm_control *control)
{
    qmp_free(&control->qmp);
}

static int refuse(const struct vm_control *control, const char *what, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INVALID, "%s cannot %s", control->host->driver->title, what);
}

static const struct vmm_control_calls *calls(const struct vm_control *control)
{
    static const struct vmm_control_calls none;
    return control->host->driver->control ? control->host->driver->control : &none;
}

int vm_control_pause(struct vm_control *control, struct pe_error *err)
{
    if (!calls(control)->pause)
        return refuse(control, "pause a VM", err);
    if (calls(control)->pause(control, err) < 0)
        return -1;
    control->paused = true;
    return 0;
}

int vm_control_resume(struct vm_control *control, struct pe_error *err)
{
    if (!calls(control)->resume)
        return refuse(control, "resume a VM", err);
    if (calls(control)->resume(control, err) < 0)
        return -1;
    control->paused = false;
    return 0;
}

int vm_control_press_power(struct vm_control *control, struct pe_error *err)
{
    if (!calls(control)->press_power)
        return refuse(control, "press a power button, so the guest needs an agent to shut it down", err);
    return calls(control)->press_power(control, err);
}

int vm_control_resize(struct vm_control *control, const struct vm_spec *spec, uint32_t memory_mib,
                      uint32_t cpus, struct pe_error *err)
{
    if (!calls(control)->resize)
        return refuse(control, "change the memory or the CPUs of a VM that runs", err);
    if (memory_mib > spec->extras->memory_max_mib || cpus > spec->extras->cpus_max)
        return pe_fail(
            err, PE_ERR_INVALID,
            "the VM can have at most %u MiB and %u CPUs; `pe-vm create` sets that with --max-memory "
            "and --max-cpus",
            spec->extras->memory_max_mib, spec->extras->cpus_max);
    return calls(control)->resize(control, spec, memory_mib, cpus, err);
}

int vm_control_add_disk(struct vm_control *control, const char *id, const struct vm_disk *disk,
                        struct pe_error *err)
{
    if (!calls(control)->add_disk)
        return refuse(control, "add a disk to a VM that runs", err);
    return calls(control)->add_disk(control, id, disk, err);
}

int vm_control_add_nic(struct vm_control *control, const char *id, const struct vm_nic *nic,
                       struct pe_error *err)
{
    if (!calls(control)->add_nic)
        return refuse(control, "add a network device to a VM that runs", err);
    return calls(control)->add_nic(control, id, nic, err);
}

int vm_control_remove(struct vm_control *control, const char *id, struct pe_error *err)
{
    if (!calls(control)->remove)
        return refuse(control, "take a device from a VM that runs", err);
    return calls(control)->remove(control, id, err);
}

int vm_control_snapshot(struct vm_control *control, int memory_fd, int state_fd, struct pe_error *err)
{
    if (!calls(control)->snapshot)
        return refuse(control, "save a VM", err);
    if (control->was_resized)
        return pe_fail(err, PE_ERR_INVALID, "a VM cannot be saved after it was resized");
    if (control->ports_used)
        return pe_fail(err, PE_ERR_INVALID,
                       "a VM cannot be saved while it has a disk or a network device that was added while it "
                       "ran; `pe-vm remove` takes it away");
    if (calls(control)->snapshot(control, memory_fd, state_fd, err) < 0)
        return -1;
    control->paused = true;
    return 0;
}
