/* SPDX-License-Identifier: Apache-2.0 */
/* Giving up rights for good, in a process that is about to read hostile bytes. */
#ifndef PE_WORKER_VMM_RIGHTS_H
#define PE_WORKER_VMM_RIGHTS_H

#include "base/error.h"
#include "worker/vmm/landlock.h"
#include "worker/vmm/syscall_filter.h"

#include <sys/types.h>

/* What a process keeps. */
struct rights {
    uid_t uid; /* the user that it becomes if it is root, */
    gid_t gid; /* with this group only */
    struct landlock_reader files;
    const struct syscall_list *syscalls;
};

/* Close all descriptors from 3 on, except `*kept`, which becomes number 3. PE_ERR_INTERNAL if the kernel
 * refuses it. */
int rights_close_others(int *kept, struct pe_error *err) PE_MUST_CHECK;

/* Become the user if this process is root, drop all capabilities, set no_new_privs, and confine the process
 * with Landlock and a filter of system calls, as far as the kernel has them. The process also cannot be
 * traced by its own user, and it dies with its parent, which is `parent`. Without root, the user stays.
 * `what` is the process in error messages ("a slot"). PE_ERR_INTERNAL if the kernel refuses. */
int rights_drop(const struct rights *rights, pid_t parent, const char *what,
                struct pe_error *err) PE_MUST_CHECK;

#endif
