/* SPDX-License-Identifier: Apache-2.0 */
/* Time, random state and identity of a VM, which may be one of many clones of a snapshot. They are
 * set before any of the user's code runs. */
#ifndef PE_GUEST_INIT_RESEED_H
#define PE_GUEST_INIT_RESEED_H

#include "base/error.h"
#include "guest-init/job.h"

#include <stdint.h>

/* Set the clock to the job's time, which was correct at `since_us` (clock of pe_now_us). Add the
 * job's entropy to the kernel's random number generator and reseed it. Write a new GUEST_BOOT_ID.
 * PE_ERR_INTERNAL names what the kernel has refused. */
int reseed_guest(const struct guest_job *job, uint64_t since_us, struct pe_error *err) PE_MUST_CHECK;

#endif
