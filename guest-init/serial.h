/* The control channel: lines over the first serial port. */
#ifndef PE_GUEST_INIT_SERIAL_H
#define PE_GUEST_INIT_SERIAL_H

#include "base/error.h"

/* Open the port raw; the caller owns the descriptor. */
int control_open(struct pe_error *err) PE_MUST_CHECK;

/* Write one line. It leaves the machine soon; nothing waits for that, as the host reacts to its end. */
int control_say(int control, const char *line, struct pe_error *err) PE_MUST_CHECK;

/* What the host may say. */
enum control_word {
    CONTROL_WAKE,    /* it is a clone: answer `ready` */
    CONTROL_PREWARM, /* use the time until there is a job; no answer */
    CONTROL_GO,      /* the job is on the input device */
};

/* Block until the host says something. Anything else is PE_ERR_MALFORMED. */
int control_hear(int control, enum control_word *word, struct pe_error *err) PE_MUST_CHECK;

#endif
