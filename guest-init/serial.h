/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port, over which host and guest exchange lines (proto/guest-contract.md). */
#ifndef PE_GUEST_INIT_SERIAL_H
#define PE_GUEST_INIT_SERIAL_H

#include "base/error.h"

/* Open the port in raw mode. The caller owns the descriptor. PE_ERR_INTERNAL names the port. */
int serial_open(struct pe_error *err) PE_MUST_CHECK;

/* The same with another port. */
int serial_open_device(const char *device, struct pe_error *err) PE_MUST_CHECK;

/* Write one line. The call does not wait until the line has been transmitted. PE_ERR_TOO_LARGE if
 * it is too long, PE_ERR_INTERNAL if the port cannot be written. */
int serial_send(int serial, const char *line, struct pe_error *err) PE_MUST_CHECK;

/* The lines that the host may send. */
enum serial_command {
    SERIAL_WAKE,    /* the guest may be a clone: answer `ready` */
    SERIAL_PREWARM, /* run the preparation until there is a job; no answer */
    SERIAL_GO,      /* the job is on the input device */
    SERIAL_LIVE,    /* only behind SERIAL_GO: look at the live device */
};

/* Wait for a line of the host. PE_ERR_MALFORMED if it is not one of the commands, PE_ERR_INTERNAL if the port
 * cannot be read. */
int serial_receive(int serial, enum serial_command *command, struct pe_error *err) PE_MUST_CHECK;

#endif
