/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of a cloud-hypervisor VM: its VmConfig (API description,
 * #/components/schemas/VmConfig), and how the VmConfig of a snapshot is changed for a clone. These
 * functions open and send nothing. */
#ifndef PE_WORKER_VMM_CH_CONFIG_H
#define PE_WORKER_VMM_CH_CONFIG_H

#include "base/error.h"
#include "worker/vmm/vmm.h"

#include <jansson.h>

/* Names of files in a VM's folder. */
#define CH_API_SOCKET "api.sock"
#define CH_SERIAL_SOCKET "serial.sock"
#define CH_KERNEL "kernel"
#define CH_INITRAMFS "initramfs"
#define CH_MEMORY "memory"
#define CH_CONFIG "config.json"
#define CH_STATE "state.json"
#define CH_RANGES "memory-ranges"
#define CH_CONSOLE "console" /* what a VM with extras writes to its console */
#define CH_VSOCK "vsock.sock"

/* Numbers of descriptors in the VMM; -1 for files that it does not inherit. */
struct ch_fds {
    int memory; /* RAM of a clone */
    int pmem[VM_PMEM_COUNT];
    int disks[VM_DISKS_MAX];
};

/* Returns the VmConfig of a VM that boots, which the caller owns; NULL without memory. */
json_t *ch_config_boot(const struct vm_spec *spec, const struct ch_fds *fds, const char *folder);

/* Change `config`, the config.json of a snapshot, into that of a clone: it gets its own folder and
 * files, and maps its memory privately. Fails with PE_ERR_INVALID if the pmem devices are not those
 * of `spec`, with PE_ERR_MALFORMED if `config` is not a VmConfig, and with PE_ERR_INTERNAL without
 * memory. */
int ch_config_clone(json_t *config, const struct vm_spec *spec, const struct ch_fds *fds, const char *folder,
                    struct pe_error *err) PE_MUST_CHECK;

#endif
