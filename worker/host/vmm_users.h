/* SPDX-License-Identifier: Apache-2.0 */
/* The users that VMMs and slots run as. Nothing else on the host uses them, so none can reach the files or
 * processes of another one. */
#ifndef PE_WORKER_HOST_VMM_USERS_H
#define PE_WORKER_HOST_VMM_USERS_H

#include "base/error.h"

#include <sys/types.h>

/* The users that one worker has. Each of its children has one for each of these kinds of processes. */
#define VMM_USERS 16384u

enum vmm_user {
    VMM_USER_VMM,
    VMM_USER_SLOT, /* the slot, or the maker of a template */
    VMM_USER_LINK, /* its connection to the balancer */
    VMM_USER_KINDS = 4
};

/* The user of child `number` of a worker; the slots come first. */
static inline uid_t vmm_user(uid_t first, enum vmm_user kind, unsigned number)
{
    return first + (uid_t)kind * (VMM_USERS / VMM_USER_KINDS) + number;
}

/* Lock VMM_USERS consecutive user ids that no other worker of this host has locked, and write the first
 * one to `first`. The locks are files in `folder`, which is created. Workers that do not share this
 * folder, because they are in different containers, may get the same users.
 *
 * Returns a descriptor that holds the lock. It is inherited by fork(2), so the users stay locked until the
 * last process of the worker has ended. Fails with PE_ERR_INTERNAL, and with PE_ERR_BUSY if all
 * are locked. */
int vmm_users_lock(const char *folder, uid_t *first, struct pe_error *err) PE_MUST_CHECK;

#endif
