/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroup above a container's own cgroup, named by its path. It outlives the container, so that
 * its counters can be read and all processes below it can be killed. crun sets the limits of
 * config.json on the container's cgroup. */
#ifndef PE_GUEST_INIT_CGROUP_H
#define PE_GUEST_INIT_CGROUP_H

#include "base/error.h"

#include <stdint.h>

struct cgroup_usage {
    uint64_t user_us, system_us; /* CPU time of all processes, also of those that have ended */
    uint64_t peak_kib;           /* greatest memory use */
    uint64_t oom_kills;          /* processes that the OOM killer has killed */
};

/* Make the cgroup and switch on the controllers memory and pids, and cpu if the kernel has it. */
int cgroup_prepare(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

/* Remove the cgroup and make it again, with counters of 0. No process may run in it. */
int cgroup_renew(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

/* Limit the cgroup to the memory that is available now, less what pe-init and crun need. This
 * bounds the limit in config.json: if the guest as a whole had no memory left, it would thrash its
 * page cache instead of killing the process that uses the memory. */
int cgroup_limit_memory(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

struct cgroup_limits {
    uint64_t memory_bytes; /* memory.max */
    uint64_t processes;    /* pids.max, which counts threads as well */
};

/* Set limits of the container's cgroup. 0, or a value above the original limit, restores the original
 * limit. `*before` keeps the original limits between calls; it must be zero before the first call. */
int cgroup_limit_container(const char *cgroup, const struct cgroup_limits *limits,
                           struct cgroup_limits *before, struct pe_error *err) PE_MUST_CHECK;

/* Kill all processes in the cgroup, also those that fork at this moment (cgroup.kill in
 * cgroup-v2.rst). */
int cgroup_kill(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

/* Read the counters. A counter that the kernel does not have is 0. */
void cgroup_read_usage(const char *cgroup, struct cgroup_usage *usage);

#endif
