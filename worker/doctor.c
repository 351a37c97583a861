/* SPDX-License-Identifier: Apache-2.0 */
/* The report of `pe-worker doctor`: engines and the protections of VMMs. What it says about the host, the
 * image store and the balancer is in the files doctor_*.c beside this one. */
#include "worker/doctor.h"

#include "doctor/report.h"
#include "worker/doctor_balancer.h"
#include "worker/doctor_host.h"
#include "worker/doctor_store.h"
#include "worker/stop_signal.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/jail.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* ---- engines ---- */

static bool is_used(const struct engine *engine, const struct worker_config *config)
{
    return config->vm.driver == engine->driver && config->vm.accel == engine->accel &&
           config->engine.snapshots == engine->snapshot && !strcmp(config->vm.cpu_flags, engine->cpu_flags);
}

static void say_engine(struct doctor_report *report, const struct engine *engine,
                       const struct probe_findings *findings, bool used)
{
    const struct probe_finding *finding = probe_findings_of(findings, engine->name);
    const char *kind = pe_isolation_name(vm_isolation(engine->accel));
    char id[DOCTOR_ID_MAX];
    doctor_id("engine", engine->name, id);
    if (used)
        doctor_fact(report, "engine", engine->name);
    if (used)
        doctor_say(report, DOCTOR_OK, id, "%s (%s): a worker here uses it", engine->name, kind);
    else if (!finding)
        doctor_say(report, DOCTOR_UNTRIED, id, "%s (%s): --probe-again tries it", engine->name, kind);
    else if (finding->verdict == PROBE_WORKS)
        doctor_say(report, DOCTOR_OK, id, "%s (%s): it works", engine->name, kind);
    else
        doctor_say(report, DOCTOR_MISSING, id, "%s (%s): %s%s", engine->name, kind, finding->why,
                   finding->verdict == PROBE_UNDECIDED ? "; a worker tries it again by itself" : "");
}

/* Returns whether there is an engine; then config->vm uses it. */
static bool say_engines(struct doctor_report *report, struct worker_config *config,
                        const struct probe *wanted)
{
    struct engine engines[ENGINES_MAX];
    struct probe_findings findings = {.count = 0};
    struct pe_error why;
    struct utsname system;
    struct probe probe = *wanted;
    uname(&system);
    probe.every = probe.again;
    probe.stop = &stop_requested;
    const bool works = probe_host(&probe, &config->vm, &config->engine.snapshots, config->engine.reason,
                                  &findings, &why) == 0;
    doctor_section(report, "Engines, the best one first, with the isolation that they give");
    size_t count = engines_for_machine(system.machine, engines);
    if (probe.uml_seccomp)
        engines_use_uml_seccomp(engines, count);
    for (size_t i = 0; i < count; i++)
        say_engine(report, &engines[i], &findings, works && is_used(&engines[i], config));
    if (!works)
        doctor_say_unusable(report, "engine", "%s", why.message);
    return works;
}

/* ---- the jail ---- */

static void say_jail(struct doctor_report *report, struct worker_config *config)
{
    struct pe_error why;
    doctor_section(report, "What confines the VMMs of %s", config->vm.driver->name);
    if (vm_host_confine(&config->vm, &why) < 0) {
        doctor_say_unusable(report, "jail", "jail: %s", why.message);
        return;
    }
    const struct jail_report *jail = &config->vm.jail->report;
    for (int i = 0; i < JAIL_PROTECTION_COUNT; i++) {
        char id[DOCTOR_ID_MAX];
        doctor_id("jail", jail_protection_name(i), id);
        if (jail->findings[i].active)
            doctor_say(report, DOCTOR_OK, id, "%s", jail_protection_name(i));
        else
            doctor_say(report, DOCTOR_MISSING, id, "%s: %s; a VMM that was taken over can %s",
                       jail_protection_name(i), jail->findings[i].why, jail_protection_purpose(i));
    }
    vm_host_release(&config->vm);
}

static int finish(struct doctor_report *report, const struct worker_config *config, bool works)
{
    char can[96] = "";
    if (works) {
        const char *kind = pe_isolation_name(vm_isolation(config->vm.accel));
        doctor_fact(report, "isolation", kind);
        snprintf(can, sizeof can, "Jobs can run here, with %s isolation", kind);
    }
    return doctor_finish(report, can, "Jobs cannot run here");
}

int doctor_run(struct worker_config *config, const struct probe *probe, bool json, struct pe_error *err)
{
    struct doctor_report *report = doctor_report_new("pe-worker", json, err);
    if (!report)
        return -1;
    const bool works = say_engines(report, config, probe);
    if (stop_requested) {
        doctor_report_free(report);
        return pe_fail(err, PE_ERR_CANCELED, "stopped while the engines were tried");
    }
    stop_signal_release();
    doctor_say_host(report, config);
    doctor_say_store(report, config);
    doctor_say_balancers(report, config);
    if (works)
        say_jail(report, config);
    const int status = finish(report, config, works);
    doctor_report_free(report);
    return status;
}
