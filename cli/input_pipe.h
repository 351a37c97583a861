/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input on its way to a program: what was read and may not be sent yet, because the program has not
 * taken what was sent before. Who sends it is interactive.c. */
#ifndef PE_CLI_INPUT_PIPE_H
#define PE_CLI_INPUT_PIPE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INPUT_PIECE_BYTES 16384u /* of one message */

/* A zero-initialised pipe has not begun, and reads nothing. */
struct input_pipe {
    uint64_t window;      /* bytes that may be under way, sent and not taken; 0: it has not begun */
    uint64_t sent, taken; /* bytes, since the start */
    bool is_typed;        /* on a terminal in raw mode */
    bool has_ended;       /* standard input has, or cannot be read */
    bool is_end_sent;
    uint64_t ctrl_c_us; /* when Ctrl-C was typed last; 0: never */
    uint8_t *bytes;     /* read and not sent: INPUT_PIECE_BYTES; owned */
    size_t begin, end;  /* those of `bytes` */
};

/* Begin to read. `window` is not 0. If standard input `is_typed`, a second Ctrl-C within a second counts as
 * the signal SIGINT (interrupt.h). */
void input_pipe_begin(struct input_pipe *pipe, uint64_t window, bool is_typed);

/* True after input_pipe_begin. */
bool input_pipe_has_begun(const struct input_pipe *pipe);

/* True if there is room for more input. */
bool input_pipe_wants(const struct input_pipe *pipe);

/* Read from standard input, which is readable. Its end, or an error, is the end of the input. */
void input_pipe_read(struct input_pipe *pipe);

/* Remove bytes that may be sent now. Returns how many there are in `*bytes`, up to the next call; 0: none. */
size_t input_pipe_take(struct input_pipe *pipe, const uint8_t **bytes);

/* True once, when the input has ended and all of it has been sent. */
bool input_pipe_take_end(struct input_pipe *pipe);

/* Note that `taken` bytes have been taken since the start. PE_ERR_MALFORMED if that is more than was sent. */
int input_pipe_set_taken(struct input_pipe *pipe, uint64_t taken, struct pe_error *err) PE_MUST_CHECK;

/* Free what `pipe` owns. */
void input_pipe_free(struct input_pipe *pipe);

#endif
