/* SPDX-License-Identifier: Apache-2.0 */
/* The files that VMs are made of: the guest's kernel and initramfs, and the VMMs. Programs have options for
 * them, and those of the installation (base/home.h) are the defaults. */
#ifndef PE_WORKER_HOST_VM_FILES_H
#define PE_WORKER_HOST_VM_FILES_H

#include "base/error.h"
#include "base/options.h"
#include "worker/vmm/vmm.h"

#include <limits.h>
#include <stdbool.h>

/* The paths are NULL at first, unless an option has set them. They may point into `texts`, so the struct must
 * not be copied after vm_files_find, and must outlive the VMs. */
struct vm_files {
    const char *kernel, *initramfs, *qemu, *cloud_hypervisor, *uml_kernel;
    bool own_kernel;          /* an option has set `kernel` */
    const char *kernel_kaslr; /* as in struct vm_host; NULL: there is none */
    struct {
        char kernel[PATH_MAX], kernel_kaslr[PATH_MAX], initramfs[PATH_MAX], qemu[PATH_MAX],
            cloud_hypervisor[PATH_MAX], uml_kernel[PATH_MAX];
    } texts;
};

/* The options of a program that makes VMs, for its table. */
#define VM_FILES_OPTIONS(files)                                                                            \
    {                                                                                                      \
        "kernel",       0,                                                                                 \
        "FILE",         "guest kernel (default: guest/vmlinux of the installation)",                       \
        PE_OPTION_TEXT, &(files)->kernel},                                                                 \
        {"initramfs",        0, "FILE", "guest initramfs (default: guest/initramfs.cpio)", PE_OPTION_TEXT, \
         &(files)->initramfs},                                                                             \
        {"qemu", 0, "FILE", "QEMU (default /usr/bin/qemu-system-x86_64)", PE_OPTION_TEXT, &(files)->qemu}, \
        {"cloud-hypervisor",                                                                               \
         0,                                                                                                \
         "FILE",                                                                                           \
         "cloud-hypervisor (default /usr/bin/cloud-hypervisor)",                                           \
         PE_OPTION_TEXT,                                                                                   \
         &(files)->cloud_hypervisor},                                                                      \
    {                                                                                                      \
        "uml-kernel", 0, "FILE", "User Mode Linux kernel (default: guest/uml/linux of the installation)",  \
            PE_OPTION_TEXT, &(files)->uml_kernel                                                           \
    }

/* Complete the paths that no option has set. A VMM that is missing is an error only when it is used. Fails
 * with PE_ERR_INTERNAL if the guest's kernel or initramfs cannot be read, and says what to do. */
int vm_files_find(struct vm_files *files, struct pe_error *err) PE_MUST_CHECK;

/* Let `host` use these files, which must outlive it. */
void vm_files_apply(const struct vm_files *files, struct vm_host *host);

#endif
