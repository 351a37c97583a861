/* SPDX-License-Identifier: Apache-2.0 */
/* Giving up the rights of the worker, in a process that is about to read from a guest or from the balancer: a
 * slot, or the maker of a template. What is left: reading the image store, and its helper
 * (worker/slot_helper.h). */
#ifndef PE_WORKER_SLOT_RIGHTS_H
#define PE_WORKER_SLOT_RIGHTS_H

#include "base/error.h"
#include "worker/config.h"

#include <stdbool.h>

/* Close all descriptors except 0 to 2 and `*helper_fd`, which may get another number. If this process is
 * root, become config->users.slot, with no other group and no capability. Set no_new_privs, and confine this
 * process with Landlock and with a filter of system calls, as far as the kernel has them. The store
 * becomes the working directory, and config->store becomes "." if the new user cannot reach it by its path,
 * because a folder above it is private. PE_ERR_INTERNAL if the kernel refuses. */
int slot_rights_drop(struct worker_config *config, int *helper_fd, struct pe_error *err) PE_MUST_CHECK;

/* The same, with the same errors, for a process that watches the store with inotify(7), and keeps
 * `*connection`. */
int slot_rights_drop_watcher(struct worker_config *config, int *connection,
                             struct pe_error *err) PE_MUST_CHECK;

/* The same, with the same errors, for a process that accepts connections of `*listener`. */
int slot_rights_drop_status(struct worker_config *config, int *listener, struct pe_error *err) PE_MUST_CHECK;

/* Whether this process may read the store that has the name now. If the store was created or replaced after
 * slot_rights_drop, the process has to start again. */
bool slot_rights_fit_store(const struct worker_config *config);

#endif
