/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the best engine that works on this host, and remembering the result. */
#ifndef PE_WORKER_VMM_PROBE_H
#define PE_WORKER_VMM_PROBE_H

#include "base/error.h"
#include "worker/vmm/engine_selection.h"
#include "worker/vmm/probe_findings.h"
#include "worker/vmm/vmm.h"

#include <signal.h>
#include <stdbool.h>

struct probe {
    struct engine_wish wish;
    const char *result_file; /* keeps the result between two starts */
    bool uml_seccomp;        /* User Mode Linux shall use its seccomp mode */
    bool again;              /* ignore the result of an earlier start */
    bool every;              /* with `again`: also try the engines after the best one that works */
    bool retry;              /* try again what is undecided in the result of an earlier start */
    /* Becomes 1 when the handler of SIGTERM or SIGINT runs, which ends the trial. Both may be blocked: they
     * are let in while a guest is waited for. NULL: nothing stops this. */
    const volatile sig_atomic_t *stop;
};

/* Make `host` use the best engine that works here, and set `*snapshots` to whether that engine
 * clones VMs. `findings` is set to the engines that were tried, now or earlier, also if this fails.
 *
 * Cheap checks come first: the VMM and its version, access to /dev/kvm, vmx or svm in /proc/cpuinfo or a
 * kernel for PVM (worker/vmm/kvm.h), permission for ptrace(2). Then a VM must reach its init and, if the
 * engine clones, a clone of it must answer. A /dev/kvm that can be opened proves nothing: a paravirtual KVM
 * may emulate a stock kernel too slowly to be of use. The result is reused as long as kernel, guest, CPU and
 * VMMs stay the same.
 *
 * An engine that did not answer in time is passed over for now, because a busy host can be the cause. It
 * stays undecided, and a caller that meets probe_findings_are_unfinished calls this function again later,
 * with `retry`. `reason` is that of engine_select, and so are the errors. After a stop it fails with
 * PE_ERR_CANCELED; then it has removed its VM, and remembers nothing. */
int probe_host(const struct probe *probe, struct vm_host *host, bool *snapshots,
               char reason[ENGINE_REASON_MAX], struct probe_findings *findings,
               struct pe_error *err) PE_MUST_CHECK;

/* Whether this host lets a process trace its children, which User Mode Linux needs. Fails with
 * PE_ERR_INVALID, and says what to do. */
int probe_check_ptrace(struct pe_error *err) PE_MUST_CHECK;

#endif
