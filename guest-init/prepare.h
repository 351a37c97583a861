/* What is done before there is a job, so that a snapshot taken then has it behind it. */
#ifndef PE_GUEST_PREPARE_H
#define PE_GUEST_PREPARE_H

#include "base/error.h"
#include "guest-init/container.h"
#include "guest-init/job.h"

/* Mount the input on `device` and read its `job`, which the caller frees in either case. */
int prepare_input(const char *device, struct guest_job *job, struct pe_error *err) PE_MUST_CHECK;

/* Mount the image and scratch. If the output device holds a preparation (an input like a job's), make its
 * container, after a run of its program, when it has one, in a container of its own that leaves nothing behind
 * but a warm page cache. Without a preparation `*container` is CONTAINER_NONE. */
int prepare(struct container *container, struct pe_error *err) PE_MUST_CHECK;

#endif
