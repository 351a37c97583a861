/* SPDX-License-Identifier: Apache-2.0 */
/* What the messages of a live job have that others have not (proto/slot-protocol.md): the terminal and the
 * open standard input of a job, the size of a window, and signals. proto/slot.h has the messages themselves.
 */
#ifndef PE_PROTO_SLOT_LIVE_H
#define PE_PROTO_SLOT_LIVE_H

#include "codec/json_reader.h"
#include "codec/json_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of the member `live` of `hello` and `ready`: the version of the live messages. */
#define PE_LIVE_VERSION 1u

/* Bytes of input that may be under way, which means sent but not yet `taken`, on every part of the way from
 * the client to the program. */
#define PE_LIVE_WINDOW (64u * 1024u)

#define PE_TERM_NAME_MAX 63u
#define PE_TERM_DEFAULT "xterm"
#define PE_WINDOW_SIDE_MAX 4096u /* rows, and columns */

/* The size of a terminal's window, in characters. Both are from 1 to PE_WINDOW_SIDE_MAX. */
struct pe_window {
    uint16_t rows, cols;
};

/* The standard input of a job that is fed while the program runs. */
struct pe_live_input {
    bool open;                       /* false: standard input is a file of the job, or empty */
    bool tty;                        /* it is a terminal, and so are stdout and stderr */
    struct pe_window window;         /* only of a terminal */
    char term[PE_TERM_NAME_MAX + 1]; /* likewise: the value of TERM; letters, digits and "._+-" */
};

/* Whether a program may be sent the signal: SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2, SIGTERM,
 * SIGCONT or SIGWINCH. */
bool pe_live_signal_is_allowed(int signal);

/* The number of such a signal, from its name without "SIG"; 0 if there is none of that name. */
int pe_live_signal_number(const char *name);

/* Read the value of the member `input` of a job, an object. Anything else is a fault of the reader. */
void pe_live_input_parse(struct pe_json_reader *reader, struct pe_live_input *input);

/* Read the value of `tty`: an object with `rows` and `cols`, and optionally `term`, which is PE_TERM_DEFAULT
 * otherwise. Other members are ignored. `input` is that of a terminal then. */
void pe_live_terminal_parse(struct pe_json_reader *reader, struct pe_live_input *input);

/* Read one side of a window. 0 is a fault. */
uint16_t pe_window_side_parse(struct pe_json_reader *reader);

/* Append the member `input`, unless the input is not open. */
void pe_live_input_append(struct pe_json_writer *writer, const struct pe_live_input *input);

/* Append the members `rows` and `cols`. */
void pe_window_append(struct pe_json_writer *writer, const struct pe_window *window);

#endif
