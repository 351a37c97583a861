/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of each VMM. The lists were made by tracing the tests (docs/hacking.md says how to
 * find a call that is missing), except that of cloud-hypervisor, which has to be traced on a host with
 * KVM, and follows the filters that the program installs itself.
 *
 * What a call may open is not decided here, but by the root directory and by Landlock. execve(2) is
 * allowed, because the filter is installed before the VMM is executed. It gains nothing: the new
 * program is in the same jail, with the same filter. QEMU and cloud-hypervisor deny it to themselves
 * later. */
#ifndef PE_WORKER_VMM_SYSCALLS_H
#define PE_WORKER_VMM_SYSCALLS_H

#include "worker/vmm/syscall_filter.h"

#include <sched.h>

/* QEMU with software emulation. It makes memory that is writable and executable, for translations. */
extern const struct syscall_list syscalls_qemu_tcg;

/* QEMU with KVM. */
extern const struct syscall_list syscalls_qemu_kvm;

/* cloud-hypervisor, from v52 on. */
extern const struct syscall_list syscalls_cloud_hypervisor;

/* A User Mode Linux kernel and the processes of its guest, in ptrace mode: only the kernel's own code
 * makes system calls. */
extern const struct syscall_list syscalls_uml;

/* The same in the kernel's seccomp mode. There a call of a guest's program has to become a signal by
 * a second filter, which the kernel installs. That works only if this filter does not end the process,
 * so what it does not allow fails. */
extern const struct syscall_list syscalls_uml_seccomp;

/* A script that starts the VMM. Its interpreter needs calls that no list of a VMM foresees, so this
 * list has what ordinary programs use. It denies privileges, other processes, namespaces, mounts,
 * networks and rarely used parts of the kernel. */
extern const struct syscall_list syscalls_script;

/* The list for the program at `path`: syscalls_script if its file begins with "#!", else `own`. */
const struct syscall_list *syscalls_for_program(const char *path, const struct syscall_list *own);

/* ---- parts of these lists ---- */

/* What every program needs that was compiled for the GNU C library: memory, threads, files, signals,
 * time. Without mmap(2), mprotect(2) and clone(2), which VMMs need in different ways. */
extern const struct syscall_rule syscalls_common[];

/* mmap(2) and mprotect(2) without and with memory that is both writable and executable. */
extern const struct syscall_rule syscalls_memory[];
extern const struct syscall_rule syscalls_memory_executable[];

/* Flags of clone(2) that make a namespace. */
#define SYSCALLS_CLONE_NEW 0x7e020000u

/* clone(2) for threads only, and for threads and processes. Never with a namespace of their own. */
#define SYSCALLS_THREADS                                                                       \
    SYSCALL_ALLOW_IF(clone, SYSCALL_BITS(0, CLONE_THREAD | SYSCALLS_CLONE_NEW, CLONE_THREAD)), \
        SYSCALL_REFUSE(clone3, ENOSYS)
#define SYSCALLS_PROCESSES \
    SYSCALL_ALLOW_IF(clone, SYSCALL_BITS(0, SYSCALLS_CLONE_NEW, 0)), SYSCALL_REFUSE(clone3, ENOSYS)

#endif
