/* SPDX-License-Identifier: Apache-2.0 */
/* The names of protections, and the lines about those that are missing. How they are tried is in
 * worker/vmm/jail.c. */
#include "worker/vmm/jail_report.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name, *purpose;
} texts[JAIL_PROTECTION_COUNT] = {
    [JAIL_OWN_USER] = {"own user", "do what the worker's user can"},
    [JAIL_MOUNTS] = {"mount namespace", "see the host's mounts"},
    [JAIL_PROCESSES] = {"PID namespace", "see the host's processes"},
    [JAIL_IPC] = {"IPC namespace", "use the host's System V IPC and message queues"},
    [JAIL_HOST_NAME] = {"UTS namespace", "see the host's name"},
    [JAIL_NETWORK] = {"network namespace", "use the host's network"},
    [JAIL_ROOT] = {"root directory", "see the names of the host's files"},
    [JAIL_FILES] = {"Landlock for files", "open the files of the host that its user can"},
    [JAIL_TCP] = {"Landlock for TCP", "use TCP of its network namespace"},
    [JAIL_DEVICES] = {"Landlock for devices", "control the devices that its user can open"},
    [JAIL_SCOPE] = {"Landlock for signals", "send signals to other processes of its user"},
    [JAIL_SYSTEM_CALLS] = {"seccomp filter", "make every system call that its user can"},
    [JAIL_MEMORY_LIMIT] = {"memory limit", "use all memory of the host"},
    [JAIL_PROCESS_LIMIT] = {"process limit", "start processes without end"},
    [JAIL_CPU_LIMIT] = {"CPU limit", "use all CPUs of the host"},
};

const char *jail_protection_name(enum jail_protection protection)
{
    return texts[protection].name;
}

const char *jail_protection_purpose(enum jail_protection protection)
{
    return texts[protection].purpose;
}

void jail_report_active(struct jail_report *report, enum jail_protection protection)
{
    report->findings[protection] = (struct jail_finding){.active = true};
}

void jail_report_missing(struct jail_report *report, enum jail_protection protection, const char *format, ...)
{
    struct jail_finding *finding = &report->findings[protection];
    va_list list;
    finding->active = false;
    va_start(list, format);
    vsnprintf(finding->why, sizeof finding->why, format, list);
    va_end(list);
}

void jail_report_log(const struct jail_report *report)
{
    for (int i = 0; i < JAIL_PROTECTION_COUNT; i++)
        if (!report->findings[i].active)
            pe_log(PE_LOG_WARN, "the jail has no %s: %s; a VMM that was taken over can %s", texts[i].name,
                   report->findings[i].why, texts[i].purpose);
}
