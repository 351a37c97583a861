/* SPDX-License-Identifier: Apache-2.0 */
/* The users that VMMs run as. The VMMs of each slot run as a user that nothing else on the host uses, so
 * that they cannot reach the files or processes of another slot. */
#ifndef PE_WORKER_VMM_USERS_H
#define PE_WORKER_VMM_USERS_H

#include "base/error.h"

#include <sys/types.h>

/* The users that one worker has; more than its slots. */
#define VMM_USERS 4096u

/* Lock VMM_USERS consecutive user ids that no other worker of this host has locked, and write the first
 * one to `first`. The locks are files in `folder`, which is created. Workers that do not share this
 * folder, because they are in different containers, may get the same users.
 *
 * Returns a descriptor that holds the lock. It is inherited by fork(2), so the users stay locked until the
 * last process of the worker has ended. Fails with PE_ERR_INTERNAL, and with PE_ERR_BUSY if all
 * are locked. */
int vmm_users_lock(const char *folder, uid_t *first, struct pe_error *err) PE_MUST_CHECK;

#endif
