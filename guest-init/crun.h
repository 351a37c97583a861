/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the crun process. */
#ifndef PE_GUEST_INIT_CRUN_H
#define PE_GUEST_INIT_CRUN_H

#include "base/error.h"

#include <sys/types.h>

/* The file in which crun writes the PID of the container's first process, in decimal. */
#define CRUN_PID_FILE "/run/pe/shim.pid"

struct crun_descriptors {
    int in, out, err; /* become the container's 0, 1, 2 */
    int channel;      /* becomes SHIM_CHANNEL_FD, for pe-shim */
};

/* Start `crun run --detach` on the bundle at GUEST_JOB. `config` is the path of the configuration.
 * The container gets a name of its own. The descriptors remain the caller's. `*pid` is the process
 * to wait for. PE_ERR_INTERNAL if it cannot be forked; a crun that cannot start exits with 126 or 127. */
int crun_spawn(const char *config, const struct crun_descriptors *fds, pid_t *pid,
               struct pe_error *err) PE_MUST_CHECK;

#endif
