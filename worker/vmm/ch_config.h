/* What cloud-hypervisor is told about a VM: its VmConfig (API description, #/components/schemas/VmConfig),
 * and what becomes of a snapshot's for a clone. Pure: nothing is opened or sent. */
#ifndef PE_WORKER_VMM_CH_CONFIG_H
#define PE_WORKER_VMM_CH_CONFIG_H

#include "base/error.h"
#include "worker/vmm/vmm.h"

#include <jansson.h>

/* Names in a VM's folder. */
#define CH_API_SOCKET "api.sock"
#define CH_SERIAL_SOCKET "serial.sock"
#define CH_KERNEL "kernel"
#define CH_INITRAMFS "initramfs"
#define CH_MEMORY "memory"
#define CH_CONFIG "config.json"
#define CH_STATE "state.json"
#define CH_RANGES "memory-ranges"

/* Which descriptors the VMM inherits its files as; -1: not at all. */
struct ch_fds {
    int memory; /* of a clone */
    int pmem[VM_PMEM_COUNT];
};

/* The configuration of a VM that boots. The caller's; NULL without memory. */
json_t *ch_config_boot(const struct vm_spec *spec, const struct ch_fds *fds, const char *folder);

/* Edit a snapshot's config.json into a clone's: its own folder and files, memory copied on write. Fails when
 * it does not have the devices that `spec` says it has. */
int ch_config_clone(json_t *config, const struct vm_spec *spec, const struct ch_fds *fds, const char *folder,
                    struct pe_error *err) PE_MUST_CHECK;

#endif
