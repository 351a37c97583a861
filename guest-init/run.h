/* Running the job's program in a container: crun, its pipes, the clock. */
#ifndef PE_GUEST_RUN_H
#define PE_GUEST_RUN_H

#include "base/error.h"
#include "guest-init/job.h"
#include "guest-init/outcome.h"

#include <stdint.h>

/* Run the bundle at GUEST_JOB and wait until nothing of it is left, or until it has to be given up. `go_us`
 * is when the host said so. Fills in `outcome` but for the dropped outputs; what the program printed is there
 * in any case. Fails when crun could not start the program or the container broke. */
int run_job(const struct guest_job *job, uint64_t go_us, struct outcome *outcome,
            struct pe_error *err) PE_MUST_CHECK;

#endif
