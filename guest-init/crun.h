/* Starting the crun process. */
#ifndef PE_GUEST_CRUN_H
#define PE_GUEST_CRUN_H

#include "base/error.h"

#include <sys/types.h>

struct crun_descriptors {
    int in, out, err; /* become the program's 0, 1, 2 */
    int report;       /* becomes SHIM_REPORT_FD, for pe-shim */
};

/* Start `crun run` on the bundle at GUEST_JOB. The descriptors stay the caller's. Sets `*pid` and returns a
 * pidfd that the caller owns. */
int crun_spawn(const struct crun_descriptors *fds, pid_t *pid, struct pe_error *err) PE_MUST_CHECK;

#endif
