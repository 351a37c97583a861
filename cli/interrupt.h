/* Ctrl-C and its like: remembered by the handler, asked for where this program waits, so that everything that
 * was started is also ended. */
#ifndef PE_CLI_INTERRUPT_H
#define PE_CLI_INTERRUPT_H

#include "base/error.h"

/* Catch SIGINT, SIGTERM and SIGHUP; ignore SIGPIPE, which write(2) then reports. */
void interrupt_catch(void);

/* The signal that came, or 0. */
int interrupt_signal(void);

/* PE_ERR_CANCELED when a signal came. */
int interrupt_check(struct pe_error *err) PE_MUST_CHECK;

/* Sleep; a signal ends it early. */
void interrupt_sleep_ms(unsigned ms);

#endif
