/* SPDX-License-Identifier: Apache-2.0 */
/* Ending the processes that a VMM leaves behind.
 *
 * An intact VMM leaves none. A User Mode Linux kernel may fork, because each program of its guest is a
 * process of the host. If it was taken over, it can start processes that outlive it. Where the jail has a
 * PID namespace, the kernel ends them together with the VMM. Elsewhere, as in a container without
 * CAP_SYS_ADMIN, they would go on, and could change the output of the job while it is read. */
#ifndef PE_WORKER_HOST_ORPHANS_H
#define PE_WORKER_HOST_ORPHANS_H

#include <stddef.h>
#include <sys/types.h>

/* From now on, a process below this one whose parent ends becomes a child of this one
 * (PR_SET_CHILD_SUBREAPER in prctl(2)). Call it before the VMM is started. Returns 0, or -1 with errno. */
int orphans_adopt(void);

/* Kill the VMM `pid`, which is a child of this process, and everything that it has left. When this returns,
 * the VMM has ended but was not waited for, and this process has no other child, except for the `count`
 * processes of `spared`, which are not touched. If processes start others faster than they are killed, it
 * gives up after some seconds, and writes that to the log. */
void orphans_end(pid_t pid, const pid_t *spared, size_t count);

#endif
