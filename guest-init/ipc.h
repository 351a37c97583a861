/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, semaphores and queues that outlive the processes that made them (sysvipc(7), mq_overview(7)). */
#ifndef PE_GUEST_INIT_IPC_H
#define PE_GUEST_INIT_IPC_H

#include "base/error.h"

/* Remove all of them in the IPC namespace of the process with this pidfd. No program may run in it.
 * PE_ERR_INTERNAL if something cannot be removed. */
int ipc_clear(int pidfd, struct pe_error *err) PE_MUST_CHECK;

#endif
