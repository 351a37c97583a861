/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes that run code of this program. */
#ifndef PE_BASE_CHILD_H
#define PE_BASE_CHILD_H

#include "base/error.h"

#include <sys/types.h>

/* Fork a process with a socket between it and this one (SOCK_SEQPACKET, close-on-exec). Returns as fork(2)
 * does. `*socket` is the end of the process that it returns in, which owns it. `what` is the child in error
 * messages ("the helper of a slot"). PE_ERR_INTERNAL if there is no such process; `*socket` is -1 then. */
pid_t pe_child_fork(const char *what, int *socket, struct pe_error *err) PE_MUST_CHECK;

/* In a child: from now on the kernel kills this process when `parent` ends. Returns -1 if it has ended
 * already. A change of user undoes this. */
int pe_child_die_with(pid_t parent) PE_MUST_CHECK;

/* Wait until the child has ended. Returns its status as waitpid(2) tells it. */
int pe_child_await(pid_t pid);

/* Kill the child, and wait until it has ended. Returns its status. */
int pe_child_kill(pid_t pid);

#endif
