/* Finding the engine that a host stands on, and remembering it. */
#ifndef PE_WORKER_VMM_PROBE_H
#define PE_WORKER_VMM_PROBE_H

#include "base/error.h"
#include "worker/vmm/engine_selection.h"
#include "worker/vmm/vmm.h"

struct probe {
    const char *wanted; /* "auto" or a engine's name */
    const char *memory; /* file that remembers the engine between starts */
    bool again;         /* try even what is remembered to fail */
};

/* Put `host` on the best engine that works here, and set `*snapshots` if it makes clones. A engine is tried
 * with cheap checks first (program and release, vmx/svm, rights on /dev/kvm), then with a VM that has to
 * reach its init, and for a snapshot's engine with a clone of it that has to answer: a /dev/kvm that opens
 * proves nothing. What was found is remembered as long as kernel, guest, CPU and VMMs stay the same. `reason`
 * says all that. */
int probe_host(const struct probe *probe, struct vm_host *host, bool *snapshots,
               char reason[ENGINE_REASON_MAX], struct pe_error *err) PE_MUST_CHECK;

#endif
