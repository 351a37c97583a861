/* SPDX-License-Identifier: Apache-2.0 */
/* Counting bytes, and looking for Ctrl-C. */
#include "cli/input_pipe.h"

#include "base/io.h"
#include "cli/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CTRL_C 0x03
#define CTRL_C_TWICE_US 1000000u

void input_pipe_begin(struct input_pipe *pipe, uint64_t window, bool is_typed)
{
    pipe->window = window;
    pipe->is_typed = is_typed;
}

bool input_pipe_has_begun(const struct input_pipe *pipe)
{
    return pipe->window > 0;
}

void input_pipe_free(struct input_pipe *pipe)
{
    free(pipe->bytes);
    *pipe = (struct input_pipe){0};
}

/* ---- reading ---- */

bool input_pipe_wants(const struct input_pipe *pipe)
{
    return pipe->window > 0 && !pipe->has_ended && pipe->end - pipe->begin < INPUT_PIECE_BYTES;
}

/* The program gets every Ctrl-C. If it does not end then, the user wants to be rid of it. */
static void look_for_ctrl_c(struct input_pipe *pipe, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != CTRL_C)
            continue;
        uint64_t now = pe_now_us();
        if (pipe->ctrl_c_us && now - pipe->ctrl_c_us < CTRL_C_TWICE_US)
            interrupt_raise(SIGINT);
        pipe->ctrl_c_us = now;
    }
}

void input_pipe_read(struct input_pipe *pipe)
{
    if (!pipe->bytes && !(pipe->bytes = malloc(INPUT_PIECE_BYTES))) {
        pipe->has_ended = true;
        return;
    }
    memmove(pipe->bytes, pipe->bytes + pipe->begin, pipe->end - pipe->begin);
    pipe->end -= pipe->begin;
    pipe->begin = 0;
    ssize_t n = read(STDIN_FILENO, pipe->bytes + pipe->end, INPUT_PIECE_BYTES - pipe->end);
    if (n <= 0) {
        pipe->has_ended = n == 0 || (errno != EINTR && errno != EAGAIN);
        return;
    }
    if (pipe->is_typed)
        look_for_ctrl_c(pipe, pipe->bytes + pipe->end, (size_t)n);
    pipe->end += (size_t)n;
}

/* ---- sending ---- */

size_t input_pipe_take(struct input_pipe *pipe, const uint8_t **bytes)
{
    uint64_t room = pipe->window - (pipe->sent - pipe->taken);
    size_t size = pipe->end - pipe->begin;
    if (size > room)
        size = (size_t)room;
    if (size == 0)
        return 0;
    *bytes = pipe->bytes + pipe->begin;
    pipe->begin += size;
    pipe->sent += size;
    return size;
}

bool input_pipe_take_end(struct input_pipe *pipe)
{
    if (!pipe->has_ended || pipe->is_end_sent || pipe->begin < pipe->end)
        return false;
    pipe->is_end_sent = true;
    return true;
}

int input_pipe_set_taken(struct input_pipe *pipe, uint64_t taken, struct pe_error *err)
{
    if (taken > pipe->sent)
        return pe_fail(err, PE_ERR_MALFORMED, "the server took more input than was sent");
    pipe->taken = taken;
    return 0;
}
