/* SPDX-License-Identifier: Apache-2.0 */
/* The slot's end of the live device (proto/live_ring.h): the rings in the memory that it shares with a guest.
 */
#ifndef PE_WORKER_JOB_LIVE_PORT_H
#define PE_WORKER_JOB_LIVE_PORT_H

#include "proto/live_ring.h"
#include "worker/job/machine.h"

/* Begin to use the live device of a machine, which must outlive the end. The caller calls pe_live_free, also
 * after a failure. PE_ERR_INTERNAL without memory. */
int live_port_open(struct pe_live_end *end, struct machine *machine, struct pe_error *err) PE_MUST_CHECK;

/* Let the guest look at the device. If the serial port is full, the guest has not read earlier lines, and
 * will look when it does. */
void live_port_ring(const struct machine *machine);

#endif
