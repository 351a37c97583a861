/* What makes a VM that may be one of many clones its own: time, random state, identity. Before any of the
 * user's code runs. */
#ifndef PE_GUEST_INIT_RESEED_H
#define PE_GUEST_INIT_RESEED_H

#include "base/error.h"
#include "guest-init/job.h"

#include <stdint.h>

/* Set the clock to the job's time, which was right at `since_us` (pe_now_us's clock); mix the job's entropy
 * into the kernel's random number generator and have it reseed; write a new GUEST_BOOT_ID. */
int reseed_guest(const struct guest_job *job, uint64_t since_us, struct pe_error *err) PE_MUST_CHECK;

#endif
