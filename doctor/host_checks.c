/* SPDX-License-Identifier: Apache-2.0 */
/* What matters for every program of the service: memory, clock, and what lets processes observe each
 * other. */
#include "doctor/host_checks.h"

#include "base/buffer.h"
#include "doctor/host_file.h"
#include "doctor/side_channels.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>

void host_say_side_channels(struct doctor_report *report, const char *top)
{
    static const struct {
        const char *id, *name, *good;
        int (*check)(const char *top, struct pe_error *err);
    } checks[] = {{"host.smt", "SMT", "a core runs one thread at a time", side_channel_smt},
                  {"host.swap", "swap", "no memory of jobs is written to a disk", side_channel_swap},
                  {"host.processor", "processor", "the kernel knows of no flaw that it does not mitigate",
                   side_channel_processor}};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        struct pe_error why;
        const int failed = checks[i].check(top, &why);
        doctor_check(report, checks[i].id, checks[i].name, failed, DOCTOR_WARNING, &why, checks[i].good);
    }
}

/* ---- memory ---- */

/* The path of this process's cgroup of version 2, from the line "0::PATH" (cgroups(7)); "" if there is
 * none. */
static void find_cgroup(const char *top, char path[PATH_MAX])
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error ignored;
    char *rest = NULL;
    path[0] = '\0';
    if (host_file_read(top, "/proc/self/cgroup", &text, &ignored) < 0)
        return;
    for (char *line = strtok_r((char *)text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (!strncmp(line, "0::/", 4))
            snprintf(path, PATH_MAX, "%s", line + 3);
}

/* The tightest limit of the cgroup and those above it, in bytes. A file "memory.max" without a limit says
 * "max". */
static uint64_t cgroup_limit(const char *top)
{
    char path[PATH_MAX], file[PATH_MAX + 32];
    uint64_t limit = UINT64_MAX;
    find_cgroup(top, path);
    while (path[0]) {
        snprintf(file, sizeof file, "/sys/fs/cgroup%s/memory.max", path);
        const uint64_t own = host_file_number(top, file, UINT64_MAX);
        limit = own < limit ? own : limit;
        *strrchr(path, '/') = '\0';
    }
    return limit;
}

uint64_t host_memory_mib(const char *top)
{
    const uint64_t available_kib = host_file_value(top, "/proc/meminfo", "MemAvailable:");
    const uint64_t limit_mib = cgroup_limit(top) >> 20;
    return available_kib >> 10 < limit_mib ? available_kib >> 10 : limit_mib;
}

void host_say_memory(struct doctor_report *report, const char *top, uint64_t needed_mib, const char *what,
                     const char *advice)
{
    const uint64_t mib = host_memory_mib(top);
    if (!mib)
        doctor_say(report, DOCTOR_UNTRIED, "host.memory",
                   "memory: /proc/meminfo does not say how much is available; %s needs up to %llu MiB", what,
                   (unsigned long long)needed_mib);
    else if (mib < needed_mib)
        doctor_say(report, DOCTOR_WARNING, "host.memory",
                   "memory: %llu MiB are available, and %s can use %llu MiB; %s", (unsigned long long)mib,
                   what, (unsigned long long)needed_mib, advice);
    else
        doctor_say(report, DOCTOR_OK, "host.memory",
                   "memory: %llu MiB are available, and %s can use %llu MiB", (unsigned long long)mib, what,
                   (unsigned long long)needed_mib);
}

/* ---- clock ---- */

void host_say_clock(struct doctor_report *report)
{
    struct timex state = {.modes = 0};
    if (adjtimex(&state) < 0)
        doctor_say(report, DOCTOR_UNTRIED, "host.clock", "clock: adjtimex(2) is not allowed here");
    else if (state.status & STA_UNSYNC)
        doctor_say(report, DOCTOR_WARNING, "host.clock",
                   "clock: nothing keeps it right; systemd-timesyncd or chrony does, on this machine or on "
                   "its host");
    else
        doctor_say(report, DOCTOR_OK, "host.clock", "clock: a time service keeps it right");
}
