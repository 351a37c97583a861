/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that end this program, such as Ctrl-C. The handler only records them. The program checks
 * for them wherever it waits, so that everything it started is also stopped. */
#ifndef PE_CLI_INTERRUPT_H
#define PE_CLI_INTERRUPT_H

#include "base/error.h"

/* Catch SIGINT, SIGTERM and SIGHUP. Ignore SIGPIPE; write(2) then fails with EPIPE. */
void interrupt_catch(void);

/* Behave as if the signal had been caught. */
void interrupt_raise(int number);

/* The last signal that was caught, or 0. */
int interrupt_signal(void);

/* PE_ERR_CANCELED when a signal was caught. */
int interrupt_check(struct pe_error *err) PE_MUST_CHECK;

/* Sleep for `ms` milliseconds, or until a signal is caught. */
void interrupt_sleep_ms(unsigned ms);

#endif
