/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a worker's host whose answers are in files of the kernel, and that of the table of known
 * holes. */
#include "worker/doctor_kernel.h"

#include "base/buffer.h"
#include "doctor/host_file.h"
#include "worker/vmm/known_holes.h"
#include "worker/vmm/kvm.h"

#include <stdio.h>
#include <string.h>

void doctor_say_kvm(struct doctor_report *report, const char *top, bool own_kernel)
{
    struct pe_error why;
    if (kvm_check(top, own_kernel, &why) < 0)
        doctor_say(report, DOCTOR_MISSING, "host.kvm", "KVM: %s", why.message);
    else if (kvm_is_pvm(top))
        doctor_say(report, DOCTOR_OK, "host.kvm",
                   "KVM: it is PVM, where a stock guest kernel cannot run; the engines above say whether the "
                   "kernel of --kernel can, which needs CONFIG_PVM_GUEST");
    else
        doctor_say(report, DOCTOR_OK, "host.kvm",
                   "KVM: /dev/kvm can be opened; the engines above say whether it works");
}

/* ---- the processor ---- */

/* Whether a word is in the first line "flags" of /proc/cpuinfo. */
static bool has_flag(const char *flags, const char *flag)
{
    const size_t length = strlen(flag);
    for (const char *at = flags; (at = strstr(at, flag)); at += length)
        if (at > flags && at[-1] == ' ' && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

/* The level of the x86-64 psABI (gitlab.com/x86-psABIs/x86-64-ABI), 1 to 4, in the kernel's names. */
static int level_of(const char *flags)
{
    static const char *const levels[][10] = {
        {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"},
        {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"},
        {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}};
    for (int level = 0; level < 3; level++)
        for (int i = 0; i < 10 && levels[level][i]; i++)
            if (!has_flag(flags, levels[level][i]))
                return level + 1;
    return 4;
}

static const char *find_flags(char *cpuinfo)
{
    char *flags = strstr(cpuinfo, "\nflags");
    if (!flags)
        return NULL;
    flags++;
    flags[strcspn(flags, "\n")] = '\0';
    return flags;
}

void doctor_say_cpu(struct doctor_report *report, const char *top)
{
    pe_autobuf struct pe_buf info = {0};
    struct pe_error why;
    if (host_file_read(top, "/proc/cpuinfo", &info, &why) < 0) {
        doctor_say(report, DOCTOR_UNTRIED, "host.cpu", "CPU flags: %s", why.message);
        return;
    }
    const char *flags = find_flags((char *)info.data);
    if (!flags) {
        doctor_say(report, DOCTOR_OK, "host.cpu", "CPU flags: /proc/cpuinfo of this machine has none");
        return;
    }
    const int level = level_of(flags);
    const char *vms = has_flag(flags, "vmx") ? "vmx" : has_flag(flags, "svm") ? "svm" : NULL;
    const bool nested = has_flag(flags, "hypervisor");
    if (vms && level >= 2)
        doctor_say(report, DOCTOR_OK, "host.cpu", "CPU flags: x86-64-v%d, %s%s", level, vms,
                   nested ? "; this machine is a VM itself" : "");
    else if (vms)
        doctor_say(report, DOCTOR_WARNING, "host.cpu",
                   "CPU flags: x86-64-v1, %s; programs that were compiled for newer processors cannot run "
                   "here: choose images for it",
                   vms);
    else
        doctor_say(report, kvm_is_pvm(top) ? DOCTOR_OK : DOCTOR_MISSING, "host.cpu",
                   "CPU flags: x86-64-v%d, neither vmx nor svm%s", level,
                   kvm_is_pvm(top) ? ", which PVM does not need"
                   : nested        ? "; this machine is a VM, whose host can switch nested virtualization on"
                                   : "; the firmware can have virtualization switched off");
}

/* ---- what the jail needs ---- */

void doctor_say_cgroups(struct doctor_report *report, const char *top)
{
    static const char *const wanted[] = {"memory", "pids", "cpu"};
    pe_autobuf struct pe_buf text = {0};
    struct pe_error ignored;
    if (!host_file_exists(top, "/sys/fs/cgroup/cgroup.controllers")) {
        if (host_file_exists(top, "/sys/fs/cgroup/memory"))
            doctor_say(
                report, DOCTOR_WARNING, "host.cgroups",
                "cgroups: version 1; `systemd.unified_cgroup_hierarchy=1` on the kernel's command line "
                "gives version 2");
        else
            doctor_say(report, DOCTOR_MISSING, "host.cgroups",
                       "cgroups: none are mounted at /sys/fs/cgroup; without them a VMM that was taken over "
                       "can use up the host: `mount -t cgroup2 none /sys/fs/cgroup`");
        return;
    }
    if (host_file_read(top, "/sys/fs/cgroup/cgroup.controllers", &text, &ignored) < 0)
        return;
    text.data[strcspn((char *)text.data, "\n")] = '\0';
    char line[512], missing[64] = "";
    snprintf(line, sizeof line, " %.500s", (const char *)text.data); /* for has_flag */
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const size_t used = strlen(missing);
        if (!has_flag(line, wanted[i]))
            snprintf(missing + used, sizeof missing - used, "%s%s", used ? ", " : "", wanted[i]);
    }
    if (missing[0])
        doctor_say(report, DOCTOR_WARNING, "host.cgroups",
                   "cgroups: version 2, without %s; on the kernel's command line, `cgroup_enable=memory` "
                   "switches it on and `cgroup_no_v1=all` takes it from version 1",
                   missing);
    else
        doctor_say(report, DOCTOR_OK, "host.cgroups", "cgroups: version 2, with memory, pids and cpu");
}

/* The kernel lists what a filter can do (seccomp(2)). */
void doctor_say_seccomp(struct doctor_report *report, const char *top)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error ignored;
    const int failed = host_file_read(top, "/proc/sys/kernel/seccomp/actions_avail", &text, &ignored);
    if (failed < 0 || !strstr((const char *)text.data, "kill_process"))
        doctor_say(report, DOCTOR_MISSING, "host.seccomp",
                   "seccomp: the kernel has no filters that end a process; use one with "
                   "CONFIG_SECCOMP_FILTER, from Linux 4.14 on");
    else
        doctor_say(report, DOCTOR_OK, "host.seccomp", "seccomp: filters can end a process");
}

void doctor_say_user_namespaces(struct doctor_report *report, const char *top, bool is_root)
{
    static const struct {
        const char *path;
        uint64_t bad, usual; /* the value that forbids them, and what a kernel without the file stands for */
        const char *name;
    } limits[] = {{"/proc/sys/user/max_user_namespaces", 0, 0, "user.max_user_namespaces"},
                  {"/proc/sys/kernel/unprivileged_userns_clone", 0, 1, "kernel.unprivileged_userns_clone"},
                  {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1, 0,
                   "kernel.apparmor_restrict_unprivileged_userns"}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const uint64_t value = host_file_number(top, limits[i].path, limits[i].usual);
        if (value != limits[i].bad)
            continue;
        doctor_say(report, is_root ? DOCTOR_WARNING : DOCTOR_MISSING, "host.user-namespaces",
                   "user namespaces: %s is %llu, so a worker without root gets no namespaces for its VMMs; "
                   "change it with sysctl(8), or run the worker as root",
                   limits[i].name, (unsigned long long)value);
        return;
    }
    doctor_say(report, DOCTOR_OK, "host.user-namespaces", "user namespaces: every user may make them");
}

/* ---- VMMs ---- */

/* Returns how many there are. */
static size_t say_holes(struct doctor_report *report, const char *id, const char *driver, const char *title,
                        const char *version)
{
    size_t at = 0, found = 0;
    for (const struct known_hole *hole; (hole = known_holes_next(driver, version, &at)); found++)
        doctor_say(report, DOCTOR_WARNING, id,
                   "%s %s: in it %s (%s); install release %s, or a package of your distribution that has the "
                   "fix (source: %s)",
                   title, version, hole->what, hole->name, hole->fixed, hole->source);
    return found;
}

void doctor_say_holes(struct doctor_report *report, const char *driver, const char *title,
                      const char *version)
{
    char id[DOCTOR_ID_MAX];
    doctor_id("vmm", driver, id);
    if (!say_holes(report, id, driver, title, version))
        doctor_say(report, DOCTOR_OK, id, "%s %s: no hole in the table of %s", title, version,
                   KNOWN_HOLES_DATE);
}

/* The release of kernel.org that a kernel was made of. A distribution's kernel has fixes of later ones:
 * Debian says of which, and others, whose third number stays 0, do not say it. */
static bool find_release(const char *release, const char *build, char number[32])
{
    static const char debian[] = "Debian ";
    unsigned part[3];
    const char *at = strstr(build, debian);
    at = at ? at + strlen(debian) : release;
    if (sscanf(at, "%9u.%9u.%9u", &part[0], &part[1], &part[2]) != 3 || (at == release && !part[2]))
        return false;
    snprintf(number, 32, "%u.%u.%u", part[0], part[1], part[2]);
    return true;
}

void doctor_say_kernel(struct doctor_report *report, const char *release, const char *build)
{
    static const char id[] = "host.kernel", title[] = "kernel";
    char number[32];
    if (!find_release(release, build, number))
        doctor_say(report, DOCTOR_UNTRIED, id,
                   "%s: the number %s does not say which holes are repaired; see the security page of the "
                   "distribution, and keep it up to date",
                   title, release);
    else if (!say_holes(report, id, KNOWN_HOLES_KERNEL, title, number))
        doctor_say(report, DOCTOR_OK, id, "%s: no hole of release %s is in the table of %s, which is short",
                   title, number, KNOWN_HOLES_DATE);
}
