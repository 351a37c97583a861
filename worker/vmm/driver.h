/* What a VMM's driver has to offer to worker/vmm/vmm.c, which is the only one to call it. The contracts are
 * those of vmm.h; in addition `boot` and `clone` may leave a partly filled `vm` behind on failure (vmm.c
 * kills it), and `save` leaves killing, sealing and closing to vmm.c: it pauses the VM and writes the state.
 */
#ifndef PE_WORKER_VMM_DRIVER_H
#define PE_WORKER_VMM_DRIVER_H

#include "worker/vmm/vmm.h"

struct vmm_driver {
    const char *name; /* as in a engine's name */
    int (*version)(const struct vm_host *host, char *text, size_t size, struct pe_error *err);
    int (*boot)(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm, struct pe_error *err);
    /* Pause `vm` and write registers and devices to `state_fd`, an empty memfd. */
    int (*save)(const struct vm_host *host, struct vm *vm, int state_fd, struct pe_error *err);
    int (*clone)(const struct vm_host *host, const struct vm_spec *spec, const struct vm_snapshot *snapshot,
                 struct vm *vm, struct pe_error *err);
};

extern const struct vmm_driver vmm_qemu;
extern const struct vmm_driver vmm_cloud_hypervisor;

/* The most that a version's text needs. */
#define VMM_VERSION_MAX 64

#endif
