/* SPDX-License-Identifier: Apache-2.0 */
/* A cgroup for each VMM, with limits that an intact VMM never reaches. Works with cgroup v2, with v1, and
 * with the controllers divided between the two, below the worker's own cgroup, if the worker may create
 * cgroups there (systemd: Delegate=). Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of
 * Linux. */
#ifndef PE_WORKER_VMM_CGROUP_H
#define PE_WORKER_VMM_CGROUP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum cgroup_controller { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU, CGROUP_CONTROLLERS };

/* Size of the name of a cgroup, with its NUL. */
#define CGROUP_NAME_MAX 48

struct cgroup_limits {
    uint64_t memory_bytes;
    unsigned processes; /* threads count as well */
    unsigned cpus;      /* that many CPUs' time */
};

/* Where cgroups of VMMs are created: the cgroup of the worker in each hierarchy. */
struct cgroup_base {
    int folders[CGROUP_CONTROLLERS];  /* -1: not available */
    bool unified[CGROUP_CONTROLLERS]; /* of cgroup v2 */
};

#define CGROUP_BASE_NONE ((struct cgroup_base){.folders = {-1, -1, -1}})

/* Find the worker's cgroups, and try to create one below each. Under cgroup v2 the calling process moves to a
 * cgroup of its own, `pe-worker`, below the one that it is in, because only a cgroup without processes can
 * have limited ones below it. For each controller that is not available, `why` says so (at most 199
 * characters), else it is "". */
void cgroup_base_open(struct cgroup_base *base, char why[CGROUP_CONTROLLERS][200]);

/* Close the folders. */
void cgroup_base_close(struct cgroup_base *base);

/* Remove the cgroups of VMs whose owner no longer exists. */
void cgroup_sweep(const struct cgroup_base *base);

/* Create a cgroup with these limits for each available controller and write its name to `name`; "" if
 * no controller is available. Fails with PE_ERR_INTERNAL, after which there is none. */
int cgroup_make(const struct cgroup_base *base, const struct cgroup_limits *limits,
                char name[CGROUP_NAME_MAX], struct pe_error *err) PE_MUST_CHECK;

/* Descriptors with which a new process can enter a cgroup. */
struct cgroup_entry {
    int unified;                     /* folder of cgroup v2, for clone3(2); -1: there is none */
    int members[CGROUP_CONTROLLERS]; /* files of cgroup v1, for cgroup_enter; -1: there is none */
};

#define CGROUP_ENTRY_NONE ((struct cgroup_entry){.unified = -1, .members = {-1, -1, -1}})

/* Open the way into a cgroup that cgroup_make made. cgroup_entry_close closes it. PE_ERR_INTERNAL if it
 * cannot be opened; nothing is open then. */
int cgroup_entry_open(const struct cgroup_base *base, const char *name, struct cgroup_entry *entry,
                      struct pe_error *err) PE_MUST_CHECK;
void cgroup_entry_close(struct cgroup_entry *entry);
#define autoentry __attribute__((cleanup(cgroup_entry_close)))

/* Move the calling process into the cgroups of v1. Uses system calls only. Returns 0, or -1 with errno. */
int cgroup_enter(const struct cgroup_entry *entry);

/* Remove a cgroup whose processes have been killed; waits up to 0.2 s for the last of them. Harmless if
 * `name` is "", which it leaves behind. What cannot be removed is left to cgroup_sweep. */
void cgroup_remove(const struct cgroup_base *base, char name[CGROUP_NAME_MAX]);

#endif
