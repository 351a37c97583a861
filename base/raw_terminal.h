/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal that standard input is, in raw mode: every byte that is typed goes to the program, and nothing
 * is shown or done by the terminal itself (termios(3), cfmakeraw). */
#ifndef PE_BASE_RAW_TERMINAL_H
#define PE_BASE_RAW_TERMINAL_H

#include "base/error.h"

#include <stdbool.h>

/* Switch the terminal to raw mode. It is switched back by pe_raw_terminal_end, by every signal that ends this
 * process, and while this process is stopped; but not by SIGKILL and SIGSTOP. Signals that the program
 * handles itself or ignores stay as they are. PE_ERR_INTERNAL if there is no terminal. */
int pe_raw_terminal_begin(struct pe_error *err) PE_MUST_CHECK;

/* Switch back, if it is in raw mode. */
void pe_raw_terminal_end(void);

/* True if the process was stopped and continued since the last call. The window may have another size then.
 */
bool pe_raw_terminal_was_continued(void);

#endif
