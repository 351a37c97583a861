/* Starting the crun process. */
#ifndef PE_GUEST_CRUN_H
#define PE_GUEST_CRUN_H

#include "base/error.h"

#include <sys/types.h>

/* Where crun leaves the PID of the container's first process, decimal. */
#define CRUN_PID_FILE "/run/pe/shim.pid"

struct crun_descriptors {
    int in, out, err; /* become the container's 0, 1, 2 */
    int channel;      /* becomes SHIM_CHANNEL_FD, for pe-shim */
};

/* Start `crun run --detach` on the bundle at GUEST_JOB with `config`, a file name in it, as a container with
 * a name of its own. The descriptors stay the caller's. */
int crun_spawn(const char *config, const struct crun_descriptors *fds, pid_t *pid,
               struct pe_error *err) PE_MUST_CHECK;

#endif
