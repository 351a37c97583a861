/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done before there is a job, so that it is part of the snapshot; and prewarming. What can fail
 * fails with PE_ERR_MALFORMED if the file `job` is wrong, and else as mounts.h and container.h do. */
#ifndef PE_GUEST_INIT_PREPARE_H
#define PE_GUEST_INIT_PREPARE_H

#include "base/error.h"
#include "guest-init/container.h"
#include "guest-init/job.h"

struct prepared {
    struct container job;     /* for the job */
    struct container prewarm; /* for prewarming; CONTAINER_NONE if there is none or it has been used */
};

/* Mount the input on a device and read its file `job`. The caller frees `job`, also after a
 * failure. */
int prepare_input(const char *device, struct guest_job *job, struct pe_error *err) PE_MUST_CHECK;

/* Mount the image and scratch. If the output device has a preparation (proto/guest-contract.md),
 * run its program, if there is one, in a container of its own, of which only a warm page cache
 * remains, and make the containers. Without a preparation both are CONTAINER_NONE. */
int prepare(struct prepared *prepared, struct pe_error *err) PE_MUST_CHECK;

/* Run the preparation on the output device as if it were the job, from mounting to writing the
 * output, in the container for prewarming, which is made now if it does not exist. Only a warm page
 * cache remains of it. An emulated guest is much faster when it does something for the second time,
 * because the instructions have been translated. The run ends early if `interrupt_fd` becomes
 * readable. */
int prepare_prewarm(struct prepared *prepared, int interrupt_fd, struct pe_error *err) PE_MUST_CHECK;

#endif
