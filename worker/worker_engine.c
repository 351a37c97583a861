/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from the choice of an engine, and the process that looks for a better one. Stopping the
 * processes that use the old engine is the supervisor's task. */
#include "worker/worker_engine.h"

#include "base/log.h"
#include "worker/stop_signal.h"
#include "worker/vmm/host_mappings.h"
#include "worker/vmm/jail.h"
#include "worker/vmm/probe.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define RETRY_FIRST_MS 30000u
#define RETRY_MAX_MS 3600000u

static enum engine_uml uml_state(const struct vm_host *host)
{
    struct utsname system;
    if (uname(&system) < 0 || strcmp(system.machine, "x86_64") != 0)
        return ENGINE_UML_NONE;
    return access(host->uml_kernel, X_OK) == 0 ? ENGINE_UML_HAS_KERNEL : ENGINE_UML_NO_KERNEL;
}

/* A guest of User Mode Linux needs many memory mappings of the host. */
static void raise_host_mappings(void)
{
    uint64_t before = 0;
    struct pe_error err;
    int raised = host_mappings_raise(&before, &err);
    if (raised > 0)
        pe_log(PE_LOG_INFO, "raised vm.max_map_count of this host from %llu to %u",
               (unsigned long long)before, HOST_MAPPINGS_WANTED);
    else if (raised < 0)
        pe_log(PE_LOG_WARN, "%s", err.message);
}

static void log_choice(const struct worker_config *config)
{
    pe_log(PE_LOG_INFO, "worker %s: %u slots, %s, balancer %s%s", config->name, config->slots,
           config->engine.reason, config->servers[0], config->server_count > 1 ? " and others" : "");
    pe_log(PE_LOG_INFO, "%s", engine_explain(config->vm.accel, uml_state(&config->vm)));
    if (config->engine.undecided)
        pe_log(PE_LOG_WARN, "a better engine did not answer in time; it is tried again in %u s",
               RETRY_FIRST_MS / 1000);
    jail_report_log(&config->vm.jail->report);
}

int worker_engine_choose(struct worker_config *config, bool again, struct pe_error *err)
{
    struct probe probe = *config->engine.probe;
    struct probe_findings findings;
    probe.again = again;
    probe.stop = &stop_requested;
    if (probe_host(&probe, &config->vm, &config->engine.snapshots, config->engine.reason, &findings, err) <
            0 ||
        vm_host_confine(&config->vm, err) < 0)
        return -1;
    config->engine.undecided = probe_findings_are_unfinished(&findings);
    config->engine.prewarm =
        config->engine.snapshots && config->vm.accel == VM_ACCEL_TCG && config->warm.prewarm_slots;
    if (config->vm.accel == VM_ACCEL_NONE)
        raise_host_mappings();
    if (config->vm.accel == VM_ACCEL_NONE && probe.uml_seccomp)
        pe_log(PE_LOG_WARN,
               "with --uml-seccomp, a program can take over its guest and make system calls of the "
               "host; only the jail of its VM confines it");
    log_choice(config);
    return 0;
}

/* Returns whether a better engine works. Sets `*unfinished` to whether one is still undecided. */
static bool find_better(const struct worker_config *config, bool *unfinished)
{
    struct probe probe = *config->engine.probe;
    struct probe_findings findings;
    struct vm_host host = config->vm;
    struct pe_error err;
    bool snapshots = false;
    char reason[ENGINE_REASON_MAX];
    probe.again = false;
    probe.retry = true;
    probe.stop = &stop_requested;
    *unfinished = true;
    if (probe_host(&probe, &host, &snapshots, reason, &findings, &err) < 0) {
        if (!stop_requested)
            pe_log(PE_LOG_WARN, "%s", err.message);
        return false;
    }
    *unfinished = probe_findings_are_unfinished(&findings);
    if (host.driver == config->vm.driver && host.accel == config->vm.accel &&
        snapshots == config->engine.snapshots && !strcmp(host.cpu_flags, config->vm.cpu_flags))
        return false;
    pe_log(PE_LOG_INFO, "a better engine works now: %s", reason);
    return true;
}

int worker_engine_retry_main(const struct worker_config *config)
{
    unsigned delay_ms = RETRY_FIRST_MS;
    for (bool unfinished = true; unfinished;) {
        stop_signal_sleep(delay_ms);
        if (stop_requested)
            return 0;
        if (find_better(config, &unfinished))
            return WORKER_ENGINE_BETTER;
        delay_ms = delay_ms < RETRY_MAX_MS / 2 ? 2 * delay_ms : RETRY_MAX_MS;
    }
    return 0;
}
