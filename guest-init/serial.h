/* The control channel: lines over the first serial port. */
#ifndef PE_GUEST_INIT_SERIAL_H
#define PE_GUEST_INIT_SERIAL_H

#include "base/error.h"

/* Open the port raw; the caller owns the descriptor. */
int serial_open(struct pe_error *err) PE_MUST_CHECK;

/* Write one line. It leaves the machine soon; nothing waits for that, as the host reacts to its end. */
int serial_send(int serial, const char *line, struct pe_error *err) PE_MUST_CHECK;

/* What the host may say. */
enum serial_command {
    SERIAL_WAKE,    /* it is a clone: answer `ready` */
    SERIAL_PREWARM, /* use the time until there is a job; no answer */
    SERIAL_GO,      /* the job is on the input device */
};

/* Block until the host says something. Anything else is PE_ERR_MALFORMED. */
int serial_receive(int serial, enum serial_command *command, struct pe_error *err) PE_MUST_CHECK;

#endif
