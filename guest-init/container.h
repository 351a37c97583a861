/* SPDX-License-Identifier: Apache-2.0 */
/* The container. crun makes it, and pe-shim waits in it for a program. It can be made long before
 * there is a job. */
#ifndef PE_GUEST_INIT_CONTAINER_H
#define PE_GUEST_INIT_CONTAINER_H

#include "base/error.h"
#include "guest-init/capture.h"
#include "guest-init/cgroup.h"
#include "guest-init/shim_record.h"

#include <sys/socket.h>
#include <sys/types.h>

/* The configuration that a container is made of, and its cgroup. */
struct container_kind {
    const char *config; /* path below GUEST_JOB */
    const char *cgroup; /* path of the parent of the cgroup that the configuration names */
};

extern const struct container_kind container_of_job, container_of_prewarm;

struct container {
    const struct container_kind *kind;
    pid_t shim;
    uid_t user;   /* of the program */
    int shim_fd;  /* pidfd of the shim; -1: there is no container */
    int channel;  /* socket to the shim, nonblocking (shim_record.h) */
    int pressure; /* of memory, for poll(2) (thrash.h); -1: the kernel cannot tell */
    struct cgroup_counters counters;
    struct capture out, err; /* stdout and stderr of the container */
};

#define CONTAINER_NONE                                    \
    ((struct container){.shim_fd = -1,                    \
                        .channel = -1,                    \
                        .pressure = -1,                   \
                        .counters = CGROUP_COUNTERS_NONE, \
                        .out = {.fd = -1},                \
                        .err = {.fd = -1}})

/* Have crun make a container of the bundle at GUEST_JOB, and wait until the shim in it waits for a
 * program. The confinement of the configuration is then complete, crun has ended, the root file
 * system is complete (root_files.h), and the bundle is not needed any more. If crun fails, the error is the
 * first line that it printed. PE_ERR_LOST if crun or pe-shim takes too long, else PE_ERR_INTERNAL;
 * `container` is CONTAINER_NONE then. */
int container_start(struct container *container, const struct container_kind *kind,
                    struct pe_error *err) PE_MUST_CHECK;

/* Receive a record from the shim, without blocking. `*sender` is the process that sent it, and its user; the
 * kernel says who it is (SCM_CREDENTIALS, unix(7)). Returns 1, 0 if there is none yet, or -1 if there will be
 * none. */
int container_receive(const struct container *container, struct shim_record *record, struct ucred *sender);

/* Mount the job's folders (job_mounts.h) and give the shim the program of GUEST_JOB, which it
 * executes. `input` is its standard input, which stays the caller's; -1: the file of GUEST_JOB, or nothing.
 * PE_ERR_INTERNAL if the folders cannot be mounted, or pe-shim has ended. */
int container_give_program(struct container *container, const struct shim_start *start, int input,
                           struct pe_error *err) PE_MUST_CHECK;

/* Kill all processes of the container, wait until it is gone and close its descriptors. `container`
 * is CONTAINER_NONE then, also after a failure, and is allowed as the argument, too. PE_ERR_INTERNAL if the
 * processes do not end. */
int container_discard(struct container *container, struct pe_error *err) PE_MUST_CHECK;

#endif
