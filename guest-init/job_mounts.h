/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting the folders of a job into a container that exists already: /input, /work and /output. */
#ifndef PE_GUEST_INIT_JOB_MOUNTS_H
#define PE_GUEST_INIT_JOB_MOUNTS_H

#include "base/error.h"

/* Once, before the other functions: open what leads back into pe-init's own mount namespace. PE_ERR_INTERNAL
 * if that fails. */
int job_mounts_prepare(struct pe_error *err) PE_MUST_CHECK;

/* Mount in the mount namespace of the process with this pidfd: at /input the user's files,
 * read-only; at /work an overlay of the same files and scratch; at /output SCRATCH_OUTPUT, which is
 * empty. A plan of stages (PE_PLAN_FILE) is hidden in /input and /work. GUEST_JOB and scratch must be
 * mounted. PE_ERR_INTERNAL if the image has anything but directories under these names. */
int job_mounts_attach(int pidfd, struct pe_error *err) PE_MUST_CHECK;

/* Call `action` with `context` in the mount namespace of the process with this pidfd, and go back. Fails as
 * `action` does, and with PE_ERR_INTERNAL if the namespace cannot be changed. */
int job_mounts_inside(int pidfd, int (*action)(void *context, struct pe_error *err), void *context,
                      struct pe_error *err) PE_MUST_CHECK;

#endif
