/* SPDX-License-Identifier: Apache-2.0 */
/* Engines, and the choice among them. An engine is a way to make VMs: a VMM, an accelerator, and
 * whether VMs are cloned from snapshots or booted. A host uses the first engine of this list that
 * works there:
 *
 *   cloud-hypervisor+kvm+snapshot
 *   cloud-hypervisor+kvm+boot
 *   qemu+kvm+snapshot
 *   qemu+kvm+boot
 *   uml+boot (on x86-64)
 *   qemu+tcg+snapshot
 *   qemu+tcg+boot
 *
 * engines_use_uml_seccomp replaces uml+boot by uml+boot,seccomp, which is only for trusted programs.
 *
 * On arm64 the state of some CPUs cannot be restored from a snapshot. qemu+kvm+snapshot is
 * therefore tried three times there: as it is, without the PMU, and without PMU and SVE (QEMU's
 * docs/system/arm/cpu-features.rst). cloud-hypervisor (up to v53) has no such switches. */
#ifndef PE_WORKER_VMM_ENGINE_SELECTION_H
#define PE_WORKER_VMM_ENGINE_SELECTION_H

#include "base/error.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>
#include <stddef.h>

#define ENGINES_MAX 8
#define ENGINE_NAME_MAX 64
#define ENGINE_REASON_MAX 1000

struct engine {
    char name[ENGINE_NAME_MAX]; /* as above, with CPU flags: "qemu+kvm+snapshot,pmu=off" */
    const struct vmm_driver *driver;
    enum vm_accel accel;
    bool snapshot;         /* VMs are cloned from a snapshot */
    const char *cpu_flags; /* as in struct vm_host */
};

/* The flag of User Mode Linux in its seccomp mode. */
#define ENGINE_UML_SECCOMP ",seccomp"

/* Write the engines for a machine to `engines`, best first. `machine` is the machine's name from
 * uname(2), "x86_64" or "aarch64". Returns how many there are. */
size_t engines_for_machine(const char *machine, struct engine engines[ENGINES_MAX]);

/* Let User Mode Linux use its seccomp mode: uml+boot becomes uml+boot,seccomp. The name "uml+boot" in a
 * wish then means that one. */
void engines_use_uml_seccomp(struct engine *engines, size_t count);

/* Find out whether an engine works. Returns 0, or a negative number with the reason in `err`. */
typedef int (*engine_try)(void *context, const struct engine *engine, struct pe_error *err);

/* Which engines may be used. */
struct engine_wish {
    const char *name;                  /* "auto", the name of an engine, or of a family of engines: a VMM
                                          ("qemu", "cloud-hypervisor", "uml") or "kvm" or "tcg" */
    struct pe_isolation_set isolation; /* empty: any */
};

/* Try the engines of the wish in order until one works, and set `*chosen` to it. `reason`, which is
 * meant for people, names the chosen engine and says why each better one does not work. Fails with
 * PE_ERR_INVALID if no engine of this machine fits the wish, and with PE_ERR_INTERNAL and all
 * reasons if none works. */
int engine_select(const struct engine *engines, size_t count, const struct engine_wish *wish, engine_try try,
                  void *context, const struct engine **chosen, char reason[ENGINE_REASON_MAX],
                  struct pe_error *err) PE_MUST_CHECK;

/* What is known about User Mode Linux on a host that does not use it. */
enum engine_uml {
    ENGINE_UML_NONE,       /* there is none for this machine */
    ENGINE_UML_NO_KERNEL,  /* its kernel has not been compiled */
    ENGINE_UML_HAS_KERNEL, /* its kernel is there */
};

/* One sentence about what isolates the jobs of a host with this accelerator, and what would be
 * stronger or faster and how to get it. */
const char *engine_explain(enum vm_accel accel, enum engine_uml uml);

/* Make `host` use the engine, which must outlive it. */
void engine_apply(const struct engine *engine, struct vm_host *host);

#endif
