/* SPDX-License-Identifier: Apache-2.0 */
/* Which CPU of the host the VMs of a slot stay on. All workers of a host share one list, so that the slots
 * of several workers do not meet on one CPU while another one is free. */
#ifndef PE_WORKER_HOST_CPU_SEAT_H
#define PE_WORKER_HOST_CPU_SEAT_H

#include "base/error.h"

#include <stdint.h>

/* Take a seat on the CPU that has the fewest seats taken, of those that this process may use, and write the
 * CPU's number to `cpu`. The seats are locked bytes of the file `path`, which is created; its folder has to
 * exist. Workers that do not share this file, because they are in different containers, do not see each
 * other.
 *
 * Returns a descriptor that holds the lock, also for processes that are forked from this one. Fails with
 * PE_ERR_INTERNAL, and with PE_ERR_BUSY if too many seats are taken. `cpu` is then one that depends on the
 * number `slot`. */
int cpu_seat_take(const char *path, uint32_t slot, uint32_t *cpu, struct pe_error *err) PE_MUST_CHECK;

#endif
