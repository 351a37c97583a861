/* SPDX-License-Identifier: Apache-2.0 */
/* From the settings of a VM to what worker/vmm needs to start it: driver, files, disks, jail. */
#ifndef PE_VM_ENGINE_H
#define PE_VM_ENGINE_H

#include "base/error.h"
#include "vm/config.h"
#include "worker/vmm/vmm.h"

#include <limits.h>

#define VM_ENGINE_PATHS_MAX 16

/* It must not be moved after vm_engine_open: its members point to each other. */
struct vm_engine {
    struct vm_host host;
    struct vm_spec spec;
    struct vm_extras extras;
    char kernel[PATH_MAX], initramfs[PATH_MAX], uml_kernel[PATH_MAX], qemu[PATH_MAX],
        cloud_hypervisor[PATH_MAX];
    char paths[4096];
    const char *path_list[VM_ENGINE_PATHS_MAX];
    char options[VMCONFIG_TEXT_MAX + 2], run_dir[PATH_MAX];
};

/* Find what the VM needs, open its disks, and make the jail of its VMM. `run_dir` is a folder for files of
 * the VMM. What killed owners left in it is removed. The network devices are the caller's to fill in. Fails
 * with PE_ERR_NOT_FOUND if the VMM is missing, with PE_ERR_INVALID if the host cannot run it, and with
 * PE_ERR_INTERNAL. */
int vm_engine_open(struct vm_engine *engine, const struct vmconfig *config, const char *run_dir,
                   struct pe_error *err) PE_MUST_CHECK;

/* Close disks and jail. Harmless on a zero-initialised engine. */
void vm_engine_close(struct vm_engine *engine);

/* Remove what the VMM of a killed owner left in `run_dir`, and cgroups of killed owners. */
void vm_engine_sweep(const char *run_dir);

#endif
