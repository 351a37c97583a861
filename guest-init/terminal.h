/* SPDX-License-Identifier: Apache-2.0 */
/* The pseudo-terminal of a job whose input is typed (pty(7)). It is one of the container's own devpts, so
 * that programs find it by its name. */
#ifndef PE_GUEST_INIT_TERMINAL_H
#define PE_GUEST_INIT_TERMINAL_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct terminal {
    int master; /* nonblocking; -1: there is no terminal */
    int slave;  /* what the program gets. As long as it is open, reading from `master` never fails */
};

#define TERMINAL_NONE ((struct terminal){.master = -1, .slave = -1})

/* Open a terminal of the container in which the process with this pidfd is, for the user `owner`. The caller
 * closes it. PE_ERR_INTERNAL if the container has no devpts. */
int terminal_open(struct terminal *terminal, int pidfd, uid_t owner, struct pe_error *err) PE_MUST_CHECK;

/* Set the size of the window. The kernel sends SIGWINCH to the foreground process group. */
void terminal_resize(const struct terminal *terminal, unsigned rows, unsigned cols);

/* The foreground process group, as a number of this PID namespace; 0: there is none. */
pid_t terminal_foreground(const struct terminal *terminal);

/* The character that ends input at the beginning of a line. `*in_lines`: whether the program gets whole lines
 * (ICANON of termios(3)), so that this character does less behind an incomplete one. */
char terminal_end_of_input(const struct terminal *terminal, bool *in_lines);

/* Close both ends. Harmless on TERMINAL_NONE, which it leaves behind. */
void terminal_close(struct terminal *terminal);

#endif
