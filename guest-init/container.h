/* The container: made by crun, with pe-shim in it waiting for a program. It can be made long before there is
 * a job. */
#ifndef PE_GUEST_CONTAINER_H
#define PE_GUEST_CONTAINER_H

#include "base/error.h"
#include "guest-init/capture.h"

#include <sys/types.h>

/* Which of the input's configurations it is made of, and where its processes are. */
struct container_kind {
    const char *config; /* path below GUEST_JOB */
    const char *cgroup; /* parent of the cgroup that the configuration names */
};

extern const struct container_kind container_of_job, container_of_prewarm;

struct container {
    const struct container_kind *kind;
    pid_t shim;
    int shim_fd;             /* pidfd of the shim; -1: there is no container */
    int channel;             /* to the shim, nonblocking (shim_record.h) */
    struct capture out, err; /* what the container prints */
};

#define CONTAINER_NONE \
    ((struct container){.shim_fd = -1, .channel = -1, .out = {.fd = -1}, .err = {.fd = -1}})

/* Have crun make a container of the bundle at GUEST_JOB, whose configuration names pe-shim as the process,
 * and wait until the shim waits. All of the configuration's confinement is then in force. Afterwards the
 * bundle is not needed any more, and no crun runs. The error is crun's own first line. */
int container_start(struct container *container, const struct container_kind *kind,
                    struct pe_error *err) PE_MUST_CHECK;

/* Mount the job's tree (job_mounts.h) and have the program of GUEST_JOB executed. */
int container_give_program(struct container *container, struct pe_error *err) PE_MUST_CHECK;

/* Kill everything in it, wait until it is gone and close what we hold. Harmless on CONTAINER_NONE, which it
 * leaves behind. */
int container_discard(struct container *container, struct pe_error *err) PE_MUST_CHECK;

#endif
