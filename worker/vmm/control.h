/* SPDX-License-Identifier: Apache-2.0 */
/* Control of a VM with extras (struct vm_extras) while it runs. What a VMM cannot do is refused with
 * PE_ERR_INVALID and a sentence that says so.
 *
 * The caller reads what the VMM answers. The VMM of a job may have been taken over, so its answers are read
 * in a process without rights (worker/vmm/dialog.h); a VM with extras belongs to its operator. */
#ifndef PE_WORKER_VMM_CONTROL_H
#define PE_WORKER_VMM_CONTROL_H

#include "base/error.h"
#include "worker/vmm/qmp.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>
#include <stdint.h>

struct vm_control {
    const struct vm_host *host; /* borrowed */
    struct vm *vm;              /* borrowed; it has extras */
    struct qmp qmp;             /* QEMU's */
    bool was_resized;           /* a snapshot would not have all memory */
    bool paused;
    unsigned ports_used; /* bit i: the port i for devices that come and go has one */
};

/* Free what it owns. The VM goes on. */
void vm_control_free(struct vm_control *control);

/* Stop the CPUs of the VM, and let them run again. */
int vm_control_pause(struct vm_control *control, struct pe_error *err) PE_MUST_CHECK;
int vm_control_resume(struct vm_control *control, struct pe_error *err) PE_MUST_CHECK;

/* Press the power button: the guest shuts down if it listens. */
int vm_control_press_power(struct vm_control *control, struct pe_error *err) PE_MUST_CHECK;

/* Give the VM so much memory and so many CPUs in all; 0 leaves one as it is. `spec` is that of the VM, and
 * says what it has now and at most. The guest has to put them into use. */
int vm_control_resize(struct vm_control *control, const struct vm_spec *spec, uint32_t memory_mib,
                      uint32_t cpus, struct pe_error *err) PE_MUST_CHECK;

/* Plug in a disk or a network device under a new name. */
int vm_control_add_disk(struct vm_control *control, const char *id, const struct vm_disk *disk,
                        struct pe_error *err) PE_MUST_CHECK;
int vm_control_add_nic(struct vm_control *control, const char *id, const struct vm_nic *nic,
                       struct pe_error *err) PE_MUST_CHECK;

/* Take a device away that was plugged in, and wait for the guest to give it up, at most for
 * VM_CONTROL_REMOVE_MS. */
#define VM_CONTROL_REMOVE_MS 30000u
int vm_control_remove(struct vm_control *control, const char *id, struct pe_error *err) PE_MUST_CHECK;

/* Write registers and devices to `state_fd` and the memory to `memory_fd`, both empty files. The VM is paused
 * afterwards, and the caller resumes it when it has also copied the disks. On failure it runs if it ran
 * before. PE_ERR_INVALID if the VMM cannot save, or if the VM has other memory, CPUs or devices than at its
 * start, which a restored one would not have. */
int vm_control_snapshot(struct vm_control *control, int memory_fd, int state_fd,
                        struct pe_error *err) PE_MUST_CHECK;

/* ---- for drivers: the calls that a VMM has; NULL stands for one that it cannot do ---- */

struct vmm_control_calls {
    int (*pause)(struct vm_control *control, struct pe_error *err);
    int (*resume)(struct vm_control *control, struct pe_error *err);
    int (*press_power)(struct vm_control *control, struct pe_error *err);
    int (*resize)(struct vm_control *control, const struct vm_spec *spec, uint32_t memory_mib, uint32_t cpus,
                  struct pe_error *err);
    int (*add_disk)(struct vm_control *control, const char *id, const struct vm_disk *disk,
                    struct pe_error *err);
    int (*add_nic)(struct vm_control *control, const char *id, const struct vm_nic *nic,
                   struct pe_error *err);
    int (*remove)(struct vm_control *control, const char *id, struct pe_error *err);
    int (*snapshot)(struct vm_control *control, int memory_fd, int state_fd, struct pe_error *err);
};

extern const struct vmm_control_calls qemu_control; /* worker/vmm/qemu_control.c */
extern const struct vmm_control_calls ch_control;   /* worker/vmm/ch_control.c */
extern const struct vmm_control_calls uml_control;  /* worker/vmm/uml_control.c */

#endif
