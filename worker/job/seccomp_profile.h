/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that a job may not make, as the `seccomp` object of an OCI runtime configuration
 * (OCI runtime-spec, config-linux.md#seccomp). */
#ifndef PE_WORKER_JOB_SECCOMP_PROFILE_H
#define PE_WORKER_JOB_SECCOMP_PROFILE_H

#include <jansson.h>

/* Returns a new JSON object, which the caller owns; NULL without memory. */
json_t *seccomp_profile(void);

#endif
