/* Strategies for making VMs, best first: the ladder. A host stands on the first rung that works there.
 *
 *   cloud-hypervisor+kvm+snapshot   cloud-hypervisor+kvm+boot   qemu+kvm+snapshot   qemu+kvm+boot
 *   qemu+tcg+snapshot               qemu+tcg+boot
 *
 * On arm64, where a snapshot of some CPUs' state cannot be restored, QEMU's snapshot rung under KVM comes
 * three times: plain, without the PMU, without SVE as well (QEMU's docs/system/arm/cpu-features.rst).
 * cloud-hypervisor (up to v53) has no such switches. */
#ifndef PE_WORKER_VMM_ENGINE_SELECTION_H
#define PE_WORKER_VMM_ENGINE_SELECTION_H

#include "base/error.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>
#include <stddef.h>

#define LADDER_RUNGS_MAX 8
#define LADDER_NAME_MAX 64
#define LADDER_REASON_MAX 1000

struct rung {
    char name[LADDER_NAME_MAX]; /* as above; "qemu+kvm+snapshot,pmu=off" */
    const struct vmm_driver *driver;
    enum vm_accel accel;
    bool snapshot;
    const char *cpu_flags; /* as vm_host's */
};

/* The rungs for a machine as uname(2) names it ("x86_64", "aarch64"), best first. */
size_t ladder_rungs(const char *machine, struct rung rungs[LADDER_RUNGS_MAX]);

/* Whether a rung works: 0, or negative with the reason in `err`. */
typedef int (*ladder_try)(void *context, const struct rung *rung, struct pe_error *err);

/* Try the rungs from the best; `wanted` ("auto" or a rung's name) leaves only one. Says in `reason` (for the
 * log and `hello`) which was chosen, and for every rung above why not. Negative when none works. */
int ladder_climb(const struct rung *rungs, size_t count, const char *wanted, ladder_try try, void *context,
                 const struct rung **chosen, char reason[LADDER_REASON_MAX],
                 struct pe_error *err) PE_MUST_CHECK;

/* Put `host` on the rung. */
void ladder_stand_on(const struct rung *rung, struct vm_host *host);

#endif
