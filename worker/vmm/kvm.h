/* SPDX-License-Identifier: Apache-2.0 */
/* What can be said about KVM on a host without starting a VM. `top` is put in front of all paths; it is ""
 * for this host. */
#ifndef PE_WORKER_VMM_KVM_H
#define PE_WORKER_VMM_KVM_H

#include "base/error.h"

#include <stdbool.h>

/* Whether the KVM of this host is PVM, a paravirtual KVM that needs no vmx and no svm. Under it only guest
 * kernels with CONFIG_PVM_GUEST run, which is in neither mainline Linux nor Debian. While the module kvm_pvm
 * is loaded, no other kind of KVM is (virt-pvm/linux, arch/x86/kvm/pvm). */
bool kvm_is_pvm(const char *top);

/* Whether the processor can run VMs: the "flags" line of /proc/cpuinfo has vmx or svm. On arm64 there is no
 * such line, and the answer is yes. */
bool kvm_cpu_has_vms(const char *top);

/* Whether VMMs can use /dev/kvm, as far as that can be seen: one of a worker that is root has another user,
 * and the group of the device unless that is root's. `own_kernel` says that the guest's kernel is not
 * the usual one, so that it may be one for PVM: only a VM can show whether it is. Fails with PE_ERR_NOT_FOUND
 * or PE_ERR_INVALID, and says why KVM cannot be used and what to do. */
int kvm_check(const char *top, bool own_kernel, struct pe_error *err) PE_MUST_CHECK;

#endif
