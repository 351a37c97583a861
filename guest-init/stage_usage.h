/* SPDX-License-Identifier: Apache-2.0 */
/* CPU time and memory that the processes of a stage used, measured by their ancestor. */
#ifndef PE_GUEST_INIT_STAGE_USAGE_H
#define PE_GUEST_INIT_STAGE_USAGE_H

#include <stdint.h>
#include <sys/resource.h>

struct stage_usage {
    uint64_t user_us, system_us;
    uint64_t max_rss_kib; /* of the largest process */
};

/* Add a process that was reaped, and those that it had waited for. */
void stage_usage_add(struct stage_usage *usage, const struct rusage *reaped);

/* CPU time, in microseconds, of all processes in the PID namespace except PID 1 and the caller, and
 * of those that they waited for. The resolution is a clock tick (/proc/[pid]/stat). */
uint64_t stage_usage_of_live_processes(void);

#endif
