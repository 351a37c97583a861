/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal that standard input is, for a program that gets a terminal of its own: every byte that is
 * typed goes to the program, and its terminal does what this one did before (echo, lines, Ctrl-C). */
#ifndef PE_CLI_TERMINAL_H
#define PE_CLI_TERMINAL_H

#include "base/error.h"
#include "proto/slot_live.h"

#include <stdbool.h>

/* PE_ERR_INVALID if standard input is not a terminal. */
int terminal_check(struct pe_error *err) PE_MUST_CHECK;

/* Switch the terminal to raw mode (termios(3), cfmakeraw). It is switched back by terminal_restore, by every
 * signal that ends this process, and while this process is stopped; but not by SIGKILL and SIGSTOP. Fails as
 * pe_raw_terminal_begin does. */
int terminal_make_raw(struct pe_error *err) PE_MUST_CHECK;

/* Switch back, if it is in raw mode. */
void terminal_restore(void);

/* From now on a change of the window's size ends every wait, and terminal_has_new_size tells of it. */
void terminal_watch_size(void);

/* True if the size may have changed since the last call. */
bool terminal_has_new_size(void);

/* The size of the window; 24 rows and 80 columns if it is not known. */
struct pe_window terminal_size(void);

#endif
