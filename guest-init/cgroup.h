/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroup above a container's own cgroup, named by its path. It outlives the container, so that
 * its counters can be read and all processes below it can be killed. crun sets the limits of
 * config.json on the container's cgroup, in which only PID 1 of the container stays. The program, or
 * each of its stages, is moved to a cgroup beside it, which has the same limits or lower ones. So its
 * counters have nothing of crun or pe-shim, and a program cannot hide what it uses: a cgroup counts
 * also the processes that nobody waits for.
 *
 * What can fail fails with PE_ERR_INTERNAL, and names the cgroup or its file. */
#ifndef PE_GUEST_INIT_CGROUP_H
#define PE_GUEST_INIT_CGROUP_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

struct cgroup_usage {
    uint64_t user_us, system_us; /* CPU time of all processes, also of those that have ended */
    uint64_t peak_kib;           /* greatest memory use: processes, their files, and their page cache */
    uint64_t oom_kills;          /* processes that the OOM killer has killed */
};

/* Files with counters, which stay open while a container is there: each of them is then read with one call.
 * -1: it cannot be opened, as where the kernel does not have it, and its counters are 0. */
struct cgroup_counters {
    int cpu, events; /* of the cgroup above the container's */
    int peak;        /* of the cgroup of the program */
};

#define CGROUP_COUNTERS_NONE                \
    {                                       \
        .cpu = -1, .events = -1, .peak = -1 \
    }

/* The pages of files, which the kernel can take away and read again. */
struct cgroup_cache {
    uint64_t kib;
    uint64_t refaults; /* pages that were read soon after they had been taken away */
};

/* Make the cgroup and switch on the controllers memory and pids, and cpu if the kernel has it. */
int cgroup_prepare(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

/* Remove the cgroup and make it again, with counters of 0. No process may run in it. */
int cgroup_renew(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

/* Limit the cgroup to the memory that is available now, less what pe-init and crun need. This
 * bounds the limit in config.json: if the guest as a whole had no memory left, it would thrash its
 * page cache instead of killing the process that uses the memory. */
int cgroup_limit_memory(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

/* Let the memory limit of the container's cgroup hold for all that a job uses: also for what its stages leave
 * behind, which is not in the cgroup of the container. */
int cgroup_limit_to_container(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

struct cgroup_limits {
    uint64_t memory_bytes; /* memory.max */
    uint64_t processes;    /* pids.max, which counts threads as well */
};

/* Make the cgroup `name` below `cgroup`, with counters of 0, and move process `pid` to it. If it exists
 * already, its processes must have been reaped. A limit that is 0, or above that of the container's
 * cgroup, becomes that of the container's cgroup. */
int cgroup_enter(const char *cgroup, const char *name, pid_t pid, const struct cgroup_limits *limits,
                 struct pe_error *err) PE_MUST_CHECK;

/* Limit the processes and threads of the cgroup `name` below `cgroup`. A limit that is 0, or above the
 * present one, changes nothing. */
int cgroup_limit_processes(const char *cgroup, const char *name, uint64_t processes,
                           struct pe_error *err) PE_MUST_CHECK;

/* Kill all processes in the cgroup, also those that fork at this moment (cgroup.kill in
 * cgroup-v2.rst). */
int cgroup_kill(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

/* The same for the processes of the cgroup `name` below `cgroup` alone. */
int cgroup_kill_below(const char *cgroup, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* Open the files of `cgroup`, and of the cgroup `name` below it. */
void cgroup_counters_open(struct cgroup_counters *counters, const char *cgroup, const char *name);

/* Close them. */
void cgroup_counters_close(struct cgroup_counters *counters);

/* Read the CPU time alone; the other counters become 0. */
void cgroup_counters_read_time(const struct cgroup_counters *counters, struct cgroup_usage *usage);

/* Read all counters. */
void cgroup_counters_read(const struct cgroup_counters *counters, struct cgroup_usage *usage);

/* Read the counters of the cgroup `name` below `cgroup`. A counter that the kernel does not have is 0, and so
 * are all of a cgroup that does not exist. */
void cgroup_read_usage(const char *cgroup, const char *name, struct cgroup_usage *usage);

/* Read only the greatest memory use, in KiB; 0 as above. */
uint64_t cgroup_read_peak_kib(const char *cgroup, const char *name);

/* Read what memory.stat says of the page cache of the cgroup `name` below `cgroup`. */
void cgroup_read_cache(const char *cgroup, const char *name, struct cgroup_cache *cache);

/* Memory, in KiB, of files in any tmpfs and of shared memory that processes of the cgroup made and that
 * still exist, also after these processes have ended. */
uint64_t cgroup_read_files_kib(const char *cgroup);

#endif
