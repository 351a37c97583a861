/* SPDX-License-Identifier: Apache-2.0 */
/* How a worker that does not run as root may make namespaces for its VMMs: in a user namespace of its own. */
#ifndef PE_WORKER_VMM_USER_NAMESPACE_H
#define PE_WORKER_VMM_USER_NAMESPACE_H

#include "base/error.h"

/* Move this process, which has no threads, to a user namespace in which it has its user and group as
 * before, and all capabilities, and to a mount namespace below it. The capabilities hold for what is made in
 * this namespace, that is mounts and other namespaces, and not for what belongs to the host. A program that
 * it executes has none of them.
 *
 * Does nothing for root. Fails with PE_ERR_INVALID, and changes nothing, if the host does not allow it. */
int user_namespace_enter(struct pe_error *err) PE_MUST_CHECK;

#endif
