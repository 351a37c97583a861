/* SPDX-License-Identifier: Apache-2.0 */
/* CPUs are limited by the kernel: the affinity of the first process is inherited by all others. Memory is
 * limited by the number of VMs, because the memory of each has a bound. */
#include "worker/owner_limits.h"

#include "base/log.h"
#include "proto/limits.h"
#include "worker/job/machine.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The processes of a worker without its VMs. */
#define WORKER_MIB 128u

/* What a VMM needs besides the memory of its guest and the devices. */
#define VMM_MIB 64u

/* Templates may use one part in that many of the memory. */
#define TEMPLATE_SHARE 4u

/* ---- CPUs ---- */

static int choose_last(unsigned long count, const cpu_set_t *allowed, cpu_set_t *chosen)
{
    CPU_ZERO(chosen);
    if (count < 1 || count > (unsigned long)CPU_COUNT(allowed))
        return -1;
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && count; cpu--)
        if (CPU_ISSET(cpu, allowed)) {
            CPU_SET(cpu, chosen);
            count--;
        }
    return 0;
}

/* Read a number of at most four digits. */
static int read_number(const char **at, unsigned long *number)
{
    char *end = NULL;
    if (!isdigit((unsigned char)**at))
        return -1;
    *number = strtoul(*at, &end, 10);
    const bool is_short = end - *at <= 4;
    *at = end;
    return is_short ? 0 : -1;
}

static int add_range(unsigned long first, unsigned long last, const cpu_set_t *allowed, cpu_set_t *chosen)
{
    if (first > last || last >= CPU_SETSIZE)
        return -1;
    for (unsigned long cpu = first; cpu <= last; cpu++) {
        if (!CPU_ISSET(cpu, allowed))
            return -1;
        CPU_SET(cpu, chosen);
    }
    return 0;
}

static int choose_listed(const char *at, const cpu_set_t *allowed, cpu_set_t *chosen)
{
    CPU_ZERO(chosen);
    while (*at) {
        unsigned long first = 0, last = 0;
        if (read_number(&at, &first) < 0)
            return -1;
        last = first;
        if (*at == '-' && (++at, read_number(&at, &last) < 0))
            return -1;
        if ((*at && *at++ != ',') || add_range(first, last, allowed, chosen) < 0)
            return -1;
    }
    return CPU_COUNT(chosen) ? 0 : -1;
}

int owner_cores_parse(const char *text, const cpu_set_t *allowed, cpu_set_t *chosen, struct pe_error *err)
{
    const char *at = text;
    unsigned long count = 0;
    const int failed = strpbrk(text, ",-")                   ? choose_listed(text, allowed, chosen)
                       : read_number(&at, &count) < 0 || *at ? -1
                                                             : choose_last(count, allowed, chosen);
    if (!failed)
        return 0;
    return pe_fail(
        err, PE_ERR_INVALID,
        "--cores '%.80s' is neither a number of CPUs, up to the %d that may be used here, nor a list "
        "of such CPUs, as in 4-7 or 0,2-3",
        text, CPU_COUNT(allowed));
}

int owner_cores_apply(const char *text, struct pe_error *err)
{
    cpu_set_t allowed, chosen;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return pe_fail_errno(err, "cannot find out which CPUs may be used");
    if (owner_cores_parse(text, &allowed, &chosen, err) < 0)
        return -1;
    return sched_setaffinity(0, sizeof chosen, &chosen) == 0
               ? 0
               : pe_fail_errno(err, "cannot keep to the CPUs of --cores %s", text);
}

unsigned owner_cores_count(void)
{
    cpu_set_t allowed;
    const int count = sched_getaffinity(0, sizeof allowed, &allowed) < 0 ? 1 : CPU_COUNT(&allowed);
    return count > 0 ? (unsigned)count : 1;
}

/* ---- memory ---- */

static uint64_t vm_mib(const struct worker_config *config)
{
    return machine_memory_mib(config->memory_mib) + VMM_MIB +
           (PE_INPUT_DEVICE_BYTES + PE_OUTPUT_DEVICE_BYTES + PE_LIVE_DEVICE_BYTES) / PE_MIB;
}

int owner_memory_apply(struct worker_config *config, uint64_t mib, struct pe_error *err)
{
    const uint64_t each = vm_mib(config), had = config->slots + config->ahead;
    if (config->engine.snapshots && config->templates.mib > mib / TEMPLATE_SHARE)
        config->templates.mib = mib / TEMPLATE_SHARE;
    const uint64_t others = WORKER_MIB + (config->engine.snapshots ? config->templates.mib : 0);
    const uint64_t fit = mib > others ? (mib - others) / each : 0;
    if (!fit)
        return pe_fail(
            err, PE_ERR_INVALID,
            "--memory-total %llu MiB is not enough for a VM of %llu MiB beside the %llu MiB for the "
            "worker and its templates; use more, or a smaller --memory",
            (unsigned long long)mib, (unsigned long long)each, (unsigned long long)others);
    if (had <= fit)
        return 0;
    if (config->slots > fit)
        config->slots = (uint32_t)fit;
    config->ahead = (uint32_t)(fit - config->slots);
    pe_log(PE_LOG_INFO,
           "--memory-total %llu MiB is enough for %llu VMs of %llu MiB: the worker has %u slots and %u ahead",
           (unsigned long long)mib, (unsigned long long)fit, (unsigned long long)each, config->slots,
           config->ahead);
    return 0;
}
