/* SPDX-License-Identifier: Apache-2.0 */
/* What a VMM driver provides to worker/vmm/vmm.c, which is its only caller. vmm.h describes what
 * the callers of vmm.c may expect; this file says which part of that a driver has to do.
 *
 * To add a driver: write its functions, define a `struct vmm_driver`, declare it below, and list its
 * engines in worker/vmm/engine_selection.c (docs/hacking.md, "Add a VMM driver"). tests/vmm/walk.c checks
 * everything that holds for every driver. A driver starts its VMM with vmm_process_start
 * (worker/vmm/process.h) and, if it needs files by path, keeps them in the folder of run_dir_make
 * (worker/vmm/run_dir.h). */
#ifndef PE_WORKER_VMM_DRIVER_H
#define PE_WORKER_VMM_DRIVER_H

#include "worker/vmm/jail_files.h"
#include "worker/vmm/vmm.h"

/* Size of the text of a version, with its NUL. */
#define VMM_VERSION_MAX 64

struct vmm_control_calls;

struct vmm_driver {
    const char *name;  /* first part of an engine's name, e.g. "qemu" */
    const char *title; /* how sentences call it, e.g. "QEMU" */

    /* The VMM opens nothing by path, not even through /proc/self/fd, so its root directory can be empty. */
    bool opens_nothing;

    /* Write the VMM's version to `text`. Fail if the program is missing or its version is too old.
     * Called before anything else; it must not start a VM. */
    int (*version)(const struct vm_host *host, char *text, size_t size, struct pe_error *err);

    /* Add what the VMM opens by path to `files`, apart from /dev/null, /dev/kvm and the VM's folder: its
     * program with libraries and firmware. Fail if the program is missing. */
    int (*files)(const struct vm_host *host, struct jail_files *files, struct pe_error *err);

    /* Start a VM from host->kernel and host->initramfs and return without waiting for the guest.
     * The driver sets vm->pid and vm->pidfd (vmm_process_start does) and vm->serial_fd,
     * nonblocking, and passes on the files of spec->pmem. vm->log_fd is open already. If
     * spec->savable, the RAM must be in vm->memory_fd, an empty file of spec->memory_mib, by the
     * end of `save`. On failure `vm` may be partly filled: vmm.c kills what there is. */
    int (*boot)(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm, struct pe_error *err);

    /* NULL, as is `clone`: the VMM has no snapshots, and `boot` refuses a savable VM.
     *
     * Pause `vm`, write registers and devices to `state_fd`, an empty memfd, and leave the RAM in
     * vm->memory_fd. Take at most VM_SAVE_MS. vmm.c kills the VM afterwards and seals both files.
     */
    int (*save)(const struct vm_host *host, struct vm *vm, int state_fd, struct pe_error *err);

    /* Start a VM from `snapshot` and return when it runs, after at most VM_CLONE_MS. The clone maps
     * snapshot->memory_fd privately, and neither file's offset may change: other clones use them at
     * the same time. Set vm->spawn_us and vm->restore_us, and otherwise what `boot` sets. */
    int (*clone)(const struct vm_host *host, const struct vm_spec *spec, const struct vm_snapshot *snapshot,
                 struct vm *vm, struct pe_error *err);

    /* NULL: the driver cannot do this. Start a VM with extras from a state that vm_control_snapshot wrote;
     * vm->memory_fd has its RAM already. Otherwise as `clone`. */
    int (*restore)(const struct vm_host *host, const struct vm_spec *spec, int state_fd, struct vm *vm,
                   struct pe_error *err);

    const struct vmm_control_calls *control; /* worker/vmm/control.h */
};

/* ---- help for drivers ---- */

/* A driver talks to its VMM only through vmm_dialog (worker/vmm/dialog.h), because a worker that is root must
 * not read what a VMM answers. */

/* Put what vm_last_words gives in front of `err`. Returns -1. */
int vmm_explain(const struct vm *vm, struct pe_error *err);

/* Open a file of the guest (kernel, initramfs) for reading. The caller owns the descriptor. Fails
 * with PE_ERR_INTERNAL. */
int vmm_open_file(const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Make a stream socket with one end for us and the other one for the VMM; the caller owns both. Our end of a
 * serial port is nonblocking. Fails with PE_ERR_INTERNAL. */
int vmm_open_channel(int *ours, int *theirs, struct pe_error *err) PE_MUST_CHECK;
int vmm_open_serial(int *ours, int *theirs, struct pe_error *err) PE_MUST_CHECK;

/* ---- the drivers ---- */

extern const struct vmm_driver vmm_qemu;             /* worker/vmm/qemu.c */
extern const struct vmm_driver vmm_cloud_hypervisor; /* worker/vmm/cloud_hypervisor.c */
extern const struct vmm_driver vmm_uml;              /* worker/vmm/uml.c */

#endif
