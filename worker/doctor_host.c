/* SPDX-License-Identifier: Apache-2.0 */
/* All checks of a worker's host. Those whose answers are in files are in worker/doctor_kernel.c, and those
 * that a balancer has as well in doctor/host_checks.c. */
#include "worker/doctor_host.h"

#include "base/home.h"
#include "doctor/host_checks.h"
#include "worker/doctor_kernel.h"
#include "worker/job/machine.h"
#include "worker/uml_kernel_age.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/host_mappings.h"
#include "worker/vmm/landlock.h"
#include "worker/vmm/probe.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void say_landlock(struct doctor_report *report)
{
    const int version = landlock_version();
    if (version >= LANDLOCK_SCOPE)
        doctor_say(report, DOCTOR_OK, "host.landlock", "Landlock: version %d", version);
    else if (version > 0)
        doctor_say(
            report, DOCTOR_WARNING, "host.landlock",
            "Landlock: version %d; version %d, which Linux 6.12 has, confines signals, devices and TCP "
            "as well",
            version, LANDLOCK_SCOPE);
    else
        doctor_say(report, DOCTOR_MISSING, "host.landlock",
                   "Landlock: the kernel has none, or it is not in its option lsm=; add `landlock` there");
}

/* ---- VMMs ---- */

static void say_vmms(struct doctor_report *report, const struct vm_host *like)
{
    static const struct vmm_driver *const drivers[] = {&vmm_cloud_hypervisor, &vmm_qemu};
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        struct vm_host host = *like;
        struct pe_error ignored; /* a VMM that is missing is a matter of its engines */
        char version[VMM_VERSION_MAX];
        host.driver = drivers[i];
        if (vm_host_version(&host, version, sizeof version, &ignored) == 0)
            doctor_say_holes(report, drivers[i]->name, drivers[i]->title, version);
    }
}

static void say_uml_kernel(struct doctor_report *report, const char *kernel)
{
    static const char id[] = "host.uml-kernel", subject[] = "User Mode Linux kernel";
    char apt[PATH_MAX];
    struct uml_kernel_age age;
    struct pe_error why;
    if (pe_home_path("uml-kernel/apt", apt, sizeof apt, &why) < 0 ||
        uml_kernel_age(kernel, apt, &age, &why) < 0)
        doctor_say(report, DOCTOR_MISSING, id, "%s: %s; `make uml-kernel` compiles one", subject,
                   why.message);
    else if (!age.source[0])
        doctor_say(report, DOCTOR_WARNING, id,
                   "%s: `make uml-kernel` did not compile %s; its own kernels are faster", subject, kernel);
    else if (!age.has_pressure)
        doctor_say(report, DOCTOR_WARNING, id,
                   "%s: it is old; it does not report memory pressure, so that a job which thrashes goes on "
                   "until its time limit; `make uml-kernel` compiles a new one",
                   subject);
    else if (age.newer[0])
        doctor_say(report, DOCTOR_WARNING, id,
                   "%s: it is old; it was compiled from %s, and apt knows %s; `make uml-kernel` compiles a "
                   "new one",
                   subject, age.source, age.newer);
    else if (age.look_days > UML_KERNEL_LOOK_DAYS)
        doctor_say(report, DOCTOR_MISSING, id,
                   "%s: it may be old; it was compiled from %s, and %u days ago Debian had nothing newer; "
                   "`make uml-kernel` looks again",
                   subject, age.source, age.look_days);
    else
        doctor_say(report, DOCTOR_OK, id, "%s: compiled from %s; apt knows nothing newer", subject,
                   age.source);
}

static void say_uml(struct doctor_report *report, const char *kernel)
{
    struct pe_error why;
    say_uml_kernel(report, kernel);
    int failed = probe_check_ptrace(&why);
    doctor_check(report, "host.ptrace", "ptrace", failed, DOCTOR_MISSING, &why,
                 "processes may trace their children (kernel.yama.ptrace_scope)");
    failed = host_mappings_check(&why);
    doctor_check(report, "host.mappings", "memory mappings", failed, DOCTOR_WARNING, &why,
                 "vm.max_map_count is at least 1048576");
}

/* ---- all of them ---- */

static void say_memory(struct doctor_report *report, const struct worker_config *config)
{
    char what[96];
    const uint64_t vms = config->slots + config->ahead, each = machine_memory_mib(config->memory_mib);
    snprintf(what, sizeof what, "%llu VMs (--slots and --ahead) with %llu MiB each", (unsigned long long)vms,
             (unsigned long long)each);
    host_say_memory(report, "", vms * each, what,
                    "most jobs use little of it; for those that do not, --slots or --memory can be less");
}

void doctor_say_host(struct doctor_report *report, const struct worker_config *config)
{
    struct utsname system;
    uname(&system);
    doctor_section(report, "This host (Linux %s, %ld CPUs)", system.release, sysconf(_SC_NPROCESSORS_ONLN));
    doctor_fact(report, "kernel", system.release);
    doctor_say_kernel(report, system.release, system.version);
    doctor_say_kvm(report, "", config->vm.own_kernel);
    if (!strcmp(system.machine, "x86_64")) {
        doctor_say_cpu(report, "");
        say_uml(report, config->vm.uml_kernel);
    }
    say_vmms(report, &config->vm);
    doctor_say_cgroups(report, "");
    say_landlock(report);
    doctor_say_seccomp(report, "");
    doctor_say_user_namespaces(report, "", geteuid() == 0);
    host_say_side_channels(report, "");
    say_memory(report, config);
    host_say_clock(report);
    if (geteuid() != 0)
        doctor_say(report, DOCTOR_WARNING, "host.root",
                   "root: this worker runs as user %u, and so do its VMMs; as root it gives each a user of "
                   "its own",
                   (unsigned)geteuid());
    else
        doctor_say(report, DOCTOR_OK, "host.root", "root: the worker gives its VMMs users of their own");
}
