/* What a stage's processes used, seen from their ancestor. */
#ifndef PE_GUEST_STAGE_USAGE_H
#define PE_GUEST_STAGE_USAGE_H

#include <stdint.h>
#include <sys/resource.h>

struct stage_usage {
    uint64_t user_us, system_us;
    uint64_t max_rss_kib; /* of the largest process */
};

/* Count a process that was reaped, and with it those that it had waited for. */
void stage_usage_add(struct stage_usage *usage, const struct rusage *reaped);

/* CPU time of every process in the PID namespace but PID 1 and the caller, microseconds: those that live, and
 * what they waited for. To the clock tick, as /proc/[pid]/stat has it. */
uint64_t stage_usage_of_live_processes(void);

#endif
