/* A cgroup that is parent of a container's own, by its path: it outlives the container, so that its counters
 * can be read and everything below it killed. The limits are those of config.json, set by crun on the child.
 */
#ifndef PE_GUEST_CGROUP_H
#define PE_GUEST_CGROUP_H

#include "base/error.h"

#include <stdint.h>

struct cgroup_usage {
    uint64_t user_us, system_us; /* CPU time of everything that ever ran in it */
    uint64_t peak_kib;           /* most memory in use at one time */
    uint64_t oom_kills;          /* processes that the OOM killer took */
};

/* Make the cgroup, with the controllers memory and pids on, and cpu where there is one. */
int cgroup_prepare(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

/* Remove it with its counters, and make it anew. Nothing runs in it. */
int cgroup_renew(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

/* Limit it to the memory that is available now, less what pe-init and crun need, whatever config.json allows
 * below: a guest that runs out of memory as a whole thrashes its page cache instead of killing the culprit.
 */
int cgroup_limit_memory(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

/* Limit the container's own cgroup below it to `bytes`, 0 or more than before: as it was. `*before` is where
 * the limit that it had first is kept between calls, and 0 before the first one. */
int cgroup_limit_container(const char *cgroup, uint64_t bytes, uint64_t *before,
                           struct pe_error *err) PE_MUST_CHECK;

/* SIGKILL every process in it, those that fork at this moment included (cgroup.kill, cgroup-v2.rst). */
int cgroup_kill(const char *cgroup, struct pe_error *err) PE_MUST_CHECK;

/* Read the counters. One that the kernel does not have is 0. */
void cgroup_read_usage(const char *cgroup, struct cgroup_usage *usage);

#endif
