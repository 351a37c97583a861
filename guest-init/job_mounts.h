/* The job's own tree, put into a container that is already there: /input, /work and /output. */
#ifndef PE_GUEST_JOB_MOUNTS_H
#define PE_GUEST_JOB_MOUNTS_H

#include "base/error.h"

/* Mount in the mount namespace of the process behind `pidfd`: the user's files, read-only, at /input; an
 * overlay of them and scratch at /work; an empty folder of scratch, which is SCRATCH_OUTPUT, at /output.
 * GUEST_JOB and scratch are mounted. Fails when the image has something else than directories of these names.
 */
int job_mounts_attach(int pidfd, struct pe_error *err) PE_MUST_CHECK;

#endif
