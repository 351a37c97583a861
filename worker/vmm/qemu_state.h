/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and reading the state of a QEMU VM without its RAM, as a migration to and from a file. RAM and pmem
 * are in shared files already; the stream carries the rest, about 90 KiB. */
#ifndef PE_WORKER_VMM_QEMU_STATE_H
#define PE_WORKER_VMM_QEMU_STATE_H

#include "base/error.h"
#include "worker/vmm/qmp.h"

/* Stop the VM and write its state to `state_fd`. Fails as qmp_execute does. */
int qemu_state_write(struct qmp *qmp, int state_fd, struct pe_error *err) PE_MUST_CHECK;

/* Read the state into a QEMU that waits for it (-incoming defer), and wait until the VM runs. Fails as
 * qmp_execute does. */
int qemu_state_read(struct qmp *qmp, int state_fd, struct pe_error *err) PE_MUST_CHECK;

#endif
