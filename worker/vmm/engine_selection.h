/* Strategies for making VMs, best first: the ladder. A host stands on the first engine that works there.
 *
 *   cloud-hypervisor+kvm+snapshot   cloud-hypervisor+kvm+boot   qemu+kvm+snapshot   qemu+kvm+boot
 *   qemu+tcg+snapshot               qemu+tcg+boot
 *
 * On arm64, where a snapshot of some CPUs' state cannot be restored, QEMU's snapshot engine under KVM comes
 * three times: plain, without the PMU, without SVE as well (QEMU's docs/system/arm/cpu-features.rst).
 * cloud-hypervisor (up to v53) has no such switches. */
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
    char name[ENGINE_NAME_MAX]; /* as above; "qemu+kvm+snapshot,pmu=off" */
    const struct vmm_driver *driver;
    enum vm_accel accel;
    bool snapshot;
    const char *cpu_flags; /* as vm_host's */
};

/* The engines for a machine as uname(2) names it ("x86_64", "aarch64"), best first. */
size_t engines_for_machine(const char *machine, struct engine engines[ENGINES_MAX]);

/* Whether a engine works: 0, or negative with the reason in `err`. */
typedef int (*engine_try)(void *context, const struct engine *engine, struct pe_error *err);

/* Try the engines from the best; `wanted` ("auto" or a engine's name) leaves only one. Says in `reason` (for
 * the log and `hello`) which was chosen, and for every engine above why not. Negative when none works. */
int engine_select(const struct engine *engines, size_t count, const char *wanted, engine_try try,
                  void *context, const struct engine **chosen, char reason[ENGINE_REASON_MAX],
                  struct pe_error *err) PE_MUST_CHECK;

/* Put `host` on the engine. */
void engine_apply(const struct engine *engine, struct vm_host *host);

#endif
