/* SPDX-License-Identifier: Apache-2.0 */
/* The report of `pe-worker doctor`. What it reports is found out elsewhere: engines in
 * worker/vmm/probe.c, the protections of VMMs in worker/vmm/jail.c, the age of the User Mode Linux kernel
 * in worker/uml_kernel_age.c, what lets VMs observe each other in worker/side_channels.c. */
#include "worker/doctor.h"

#include "base/home.h"
#include "store/store.h"
#include "worker/side_channels.h"
#include "worker/uml_kernel_age.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/host_mappings.h"
#include "worker/vmm/jail.h"
#include "worker/vmm/landlock.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct report {
    unsigned findings; /* lines that begin with another word than "ok" */
};

/* Print a line. `word` is "ok", "missing" for what this host does not have, "warning" for what it has and
 * could be better, or "untried". */
__attribute__((format(printf, 3, 4))) static void say(struct report *report, const char *word,
                                                      const char *format, ...)
{
    va_list list;
    va_start(list, format);
    printf("  %-8s ", word);
    vprintf(format, list);
    putchar('\n');
    va_end(list);
    report->findings += strcmp(word, "ok") != 0;
}

/* ---- engines ---- */

static void report_engine(struct report *report, const struct engine *engine,
                          const struct probe_findings *findings)
{
    const struct probe_finding *finding = probe_findings_of(findings, engine->name);
    const char *kind = pe_isolation_name(vm_isolation(engine->accel));
    if (!finding)
        say(report, "untried", "%s (%s): --probe-again tries it", engine->name, kind);
    else if (finding->verdict == PROBE_WORKS)
        say(report, "ok", "%s (%s)", engine->name, kind);
    else
        say(report, "missing", "%s (%s): %s%s", engine->name, kind, finding->why,
            finding->verdict == PROBE_UNDECIDED ? "; a worker tries it again by itself" : "");
}

static int report_engines(struct report *report, struct worker_config *config, const struct probe *wanted,
                          struct pe_error *err)
{
    struct engine engines[ENGINES_MAX];
    struct probe_findings findings = {.count = 0};
    struct utsname system;
    struct probe probe = *wanted;
    uname(&system);
    probe.every = probe.again;
    int failed = probe_host(&probe, &config->vm, &config->snapshots, config->engine_reason, &findings, err);
    printf("Engines, the best one first, with the isolation that they give:\n");
    size_t count = engines_for_machine(system.machine, engines);
    if (probe.uml_seccomp)
        engines_use_uml_seccomp(engines, count);
    for (size_t i = 0; i < count; i++)
        report_engine(report, &engines[i], &findings);
    return failed;
}

/* ---- the host ---- */

static void report_kvm(struct report *report)
{
    struct pe_error why;
    if (probe_check_kvm(&why) < 0)
        say(report, "missing", "KVM: %s", why.message);
    else
        say(report, "ok", "KVM: /dev/kvm can be opened; the engines above say whether it works");
}

static void report_uml_kernel(struct report *report, const char *kernel)
{
    char apt[PATH_MAX];
    struct uml_kernel_age age;
    struct pe_error why;
    if (pe_home_path("uml-kernel/apt", apt, sizeof apt, &why) < 0 ||
        uml_kernel_age(kernel, apt, &age, &why) < 0)
        say(report, "missing", "User Mode Linux kernel: %s; `make uml-kernel` compiles one", why.message);
    else if (!age.source[0])
        say(report, "warning",
            "User Mode Linux kernel: `make uml-kernel` did not compile %s; its own kernels are faster",
            kernel);
    else if (age.newer[0])
        say(report, "warning",
            "User Mode Linux kernel: it is old; it was compiled from %s, and apt knows %s; `make "
            "uml-kernel` compiles a new one",
            age.source, age.newer);
    else if (age.look_days > UML_KERNEL_LOOK_DAYS)
        say(report, "missing",
            "User Mode Linux kernel: it may be old; it was compiled from %s, and %u days ago Debian had "
            "nothing newer; `make uml-kernel` looks again",
            age.source, age.look_days);
    else
        say(report, "ok", "User Mode Linux kernel: compiled from %s; apt knows nothing newer", age.source);
}

static void report_ptrace(struct report *report)
{
    struct pe_error why;
    if (probe_check_ptrace(&why) < 0)
        say(report, "missing", "ptrace: %s", why.message);
    else
        say(report, "ok", "ptrace: processes may trace their children (kernel.yama.ptrace_scope)");
}

static void report_mappings(struct report *report)
{
    struct pe_error why;
    if (host_mappings_check(&why) < 0)
        say(report, "warning", "memory mappings: %s", why.message);
    else
        say(report, "ok", "memory mappings: vm.max_map_count is at least %u", HOST_MAPPINGS_WANTED);
}

static void report_side_channels(struct report *report)
{
    static const struct {
        const char *name, *good;
        int (*check)(const char *top, struct pe_error *err);
    } checks[] = {
        {"SMT", "a core runs one thread at a time", side_channel_smt},
        {"swap", "no memory of jobs is written to a disk", side_channel_swap},
        {"processor", "the kernel knows of no flaw that it does not mitigate", side_channel_processor}};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        struct pe_error why;
        if (checks[i].check("", &why) < 0)
            say(report, "warning", "%s: %s", checks[i].name, why.message);
        else
            say(report, "ok", "%s: %s", checks[i].name, checks[i].good);
    }
}

static void report_host(struct report *report, const struct worker_config *config)
{
    struct utsname system;
    uname(&system);
    printf("This host (Linux %s, %ld CPUs):\n", system.release, sysconf(_SC_NPROCESSORS_ONLN));
    report_kvm(report);
    if (!strcmp(system.machine, "x86_64")) {
        report_uml_kernel(report, config->vm.uml_kernel);
        report_ptrace(report);
        report_mappings(report);
    }
    if (landlock_version() > 0)
        say(report, "ok", "Landlock: version %d", landlock_version());
    else
        say(report, "missing", "Landlock: the kernel has none, or it is not in its option lsm=");
    report_side_channels(report);
    if (geteuid() != 0)
        say(report, "warning", "root: this worker runs as user %u, and so do its VMMs", (unsigned)geteuid());
}

/* ---- the image store ---- */

static void report_store(struct report *report, const char *store)
{
    struct pe_error why;
    pe_autostoreimages struct pe_store_images images = {0};
    printf("The image store:\n");
    if (pe_store_list(store, &images, &why) < 0) {
        say(report, "missing", "images: %s", why.message);
        return;
    }
    size_t usable = 0;
    for (size_t i = 0; i < images.count; i++)
        if (pe_store_check_links(store, &images.items[i], &why) < 0)
            say(report, "missing", "%s", why.message);
        else
            usable++;
    if (usable)
        say(report, "ok", "images: %zu in %s", usable, store);
    else
        say(report, "missing", "images: none in %s; `pe-image` adds images", store);
}

/* ---- the jail ---- */

static int report_jail(struct report *report, struct worker_config *config, struct pe_error *err)
{
    printf("What confines the VMMs of %s:\n", config->vm.driver->name);
    if (vm_host_confine(&config->vm, err) < 0)
        return -1;
    const struct jail_report *jail = &config->vm.jail->report;
    for (int i = 0; i < JAIL_PROTECTION_COUNT; i++)
        if (jail->findings[i].active)
            say(report, "ok", "%s", jail_protection_name(i));
        else
            say(report, "missing", "%s: %s; a VMM that was taken over can %s", jail_protection_name(i),
                jail->findings[i].why, jail_protection_purpose(i));
    vm_host_release(&config->vm);
    return 0;
}

int doctor_run(struct worker_config *config, const struct probe *probe, struct pe_error *err)
{
    struct report report = {0};
    int failed = report_engines(&report, config, probe, err);
    report_host(&report, config);
    report_store(&report, config->store);
    if (failed)
        return -1;
    if (report_jail(&report, config, err) < 0)
        return -1;
    printf("Jobs can run here, with %s isolation. %u lines above do not begin with \"ok\".\n",
           pe_isolation_name(vm_isolation(config->vm.accel)), report.findings);
    return 0;
}
