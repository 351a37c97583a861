/* What is done before there is a job, so that a snapshot taken then has it behind it; and prewarming. */
#ifndef PE_GUEST_PREPARE_H
#define PE_GUEST_PREPARE_H

#include "base/error.h"
#include "guest-init/container.h"
#include "guest-init/job.h"

struct prepared {
    struct container job;     /* for the job */
    struct container prewarm; /* for prewarming; CONTAINER_NONE: there is none, or it is over */
};

/* Mount the input on `device` and read its `job`, which the caller frees in either case. */
int prepare_input(const char *device, struct guest_job *job, struct pe_error *err) PE_MUST_CHECK;

/* Mount the image and scratch. If the output device holds a preparation (an input like a job's), run its
 * program, when it has one, in a container of its own that leaves nothing behind but a warm page cache; then
 * make the containers. Without a preparation both are CONTAINER_NONE. */
int prepare(struct prepared *prepared, struct pe_error *err) PE_MUST_CHECK;

/* Run the preparation on the output device as if it were the job, from its mount to its delivery, in the
 * container that is there for it. Nothing of it stays. An emulated guest does everything much faster the
 * second time, as its instructions have been translated. When `interrupt_fd` becomes readable, it ends early.
 */
int prepare_prewarm(struct prepared *prepared, int interrupt_fd, struct pe_error *err) PE_MUST_CHECK;

#endif
