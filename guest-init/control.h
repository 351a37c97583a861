/* The control channel: lines over the first serial port. */
#ifndef PE_GUEST_CONTROL_H
#define PE_GUEST_CONTROL_H

#include "base/error.h"

/* Open the port raw; the caller owns the descriptor. */
int control_open(struct pe_error *err) PE_MUST_CHECK;

/* Write one line and wait until it has left the machine. */
int control_say(int control, const char *line, struct pe_error *err) PE_MUST_CHECK;

/* Block until the host says `go`; answer `ready` to every `wake`. Anything else is PE_ERR_MALFORMED. */
int control_await_go(int control, struct pe_error *err) PE_MUST_CHECK;

#endif
