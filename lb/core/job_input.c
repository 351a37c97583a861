/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting, counting and pacing. How messages reach the worker is the slot's part. */
#include "lb/core/job_input.h"

#include "lb/core/job.h"

static void on_serve(struct loop_timer *timer)
{
    struct job_input *input = pe_list_entry(timer, struct job_input, serve);
    input->is_serving = false;
    struct job *job = input->waiter->job;
    if (job && job->entry.slot)
        job->entry.slot->ops->serve(job->entry.slot);
}

/* What is typed in one iteration of the loop is sent as one message. */
static void serve_soon(struct job_input *input)
{
    if (input->is_serving)
        return;
    input->is_serving = true;
    input->loop->ops->start_timer(input->loop, &input->serve, 0);
}

static void on_pace(struct loop_timer *timer)
{
    struct job_input *input = pe_list_entry(timer, struct job_input, pace);
    input->is_pacing = false;
    if (input->is_resized || input->signals)
        serve_soon(input);
}

void job_input_begin(struct job_input *input, struct loop *loop, struct job_waiter *waiter)
{
    *input = (struct job_input){.live = {.open = true},
                                .loop = loop,
                                .waiter = waiter,
                                .serve = {.on_expire = on_serve},
                                .pace = {.on_expire = on_pace}};
}

void job_input_free(struct job_input *input)
{
    if (input->is_serving)
        input->loop->ops->stop_timer(input->loop, &input->serve);
    if (input->is_pacing)
        input->loop->ops->stop_timer(input->loop, &input->pace);
    input->is_serving = input->is_pacing = false;
    pe_buf_free(&input->typed);
}

/* ---- what the client does ---- */

int job_input_type(struct job_input *input, const void *bytes, size_t size, struct pe_error *err)
{
    size_t used = input->typed.size;
    if (input->is_ended)
        return pe_fail(err, PE_ERR_INVALID, "there is input behind the end of the input");
    if (size > PE_LIVE_WINDOW - used)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "%zu bytes of input were sent while %zu were not taken yet; both together may be %u",
                       size, used, PE_LIVE_WINDOW);
    if (pe_buf_append(&input->typed, bytes, size, err) < 0)
        return -1;
    serve_soon(input);
    return 0;
}

void job_input_end(struct job_input *input)
{
    input->is_ended = true;
    serve_soon(input);
}

void job_input_resize(struct job_input *input, struct pe_window window)
{
    if (!input->live.tty)
        return;
    input->window = window;
    input->is_resized = true;
    if (!input->is_pacing)
        serve_soon(input);
}

void job_input_signal(struct job_input *input, int signal)
{
    input->signals |= UINT64_C(1) << signal;
    if (!input->is_pacing)
        serve_soon(input);
}

/* ---- what the slot sends ---- */

const struct pe_live_input *job_input_at_start(struct job_input *input)
{
    if (input->is_resized)
        input->live.window = input->window;
    input->is_resized = input->is_resize_due = false;
    input->signals_sent = 0;
    return &input->live;
}

static int first_signal(uint64_t signals)
{
    int signal = 0;
    while (!(signals >> signal & 1))
        signal++;
    return signal;
}

/* What has been collected up to the pause may be sent, also during it if there was no room before. What comes
 * later waits for its end: the slot may take one message at a time, and a window or a signal that comes again
 * and again must not get in front of the others each time. */
static void note_due(struct job_input *input)
{
    if (input->is_pacing)
        return;
    input->is_resize_due = input->is_resized;
    input->signals_due = input->signals;
}

/* Windows and signals come first: a program that does not read can still be interrupted. */
bool job_input_next(struct job_input *input, struct pe_message *message, struct pe_cursor *bytes)
{
    note_due(input);
    if (input->is_resize_due) {
        message->kind = PE_MESSAGE_RESIZE;
        message->window = input->window;
    } else if (input->signals_due) {
        message->kind = PE_MESSAGE_SIGNAL;
        message->signal = first_signal(input->signals_due);
    } else if (input->typed.size > input->under_way) {
        size_t size = input->typed.size - input->under_way;
        message->kind = PE_MESSAGE_INPUT;
        message->bytes = (uint32_t)size;
        *bytes = (struct pe_cursor){.at = input->typed.data + input->under_way, .left = size};
    } else if (input->is_ended && !input->end_was_sent) {
        message->kind = PE_MESSAGE_EOF;
    } else {
        return false;
    }
    return true;
}

/* The pause begins, or begins again: it lasts from the last window or signal that was sent. */
static void pace(struct job_input *input)
{
    if (input->is_pacing)
        input->loop->ops->stop_timer(input->loop, &input->pace);
    input->is_pacing = true;
    input->loop->ops->start_timer(input->loop, &input->pace, JOB_INPUT_PACE_MS);
}

void job_input_sent(struct job_input *input, const struct pe_message *message)
{
    switch (message->kind) {
    case PE_MESSAGE_INPUT:
        input->under_way += message->bytes;
        break;
    case PE_MESSAGE_EOF:
        input->end_was_sent = true;
        break;
    case PE_MESSAGE_RESIZE:
        input->is_resized = input->is_resize_due = false;
        pace(input);
        break;
    case PE_MESSAGE_SIGNAL:
        input->signals &= ~(UINT64_C(1) << message->signal);
        input->signals_due &= ~(UINT64_C(1) << message->signal);
        input->signals_sent |= UINT64_C(1) << message->signal;
        pace(input);
        break;
    default:
        break;
    }
}

void job_input_rewind(struct job_input *input)
{
    input->under_way = 0;
    input->end_was_sent = false;
    input->is_resized = input->window.rows > 0;
    input->signals |= input->signals_sent;
}

int job_input_taken(struct job_input *input, size_t bytes, struct pe_error *err)
{
    if (bytes > input->under_way)
        return pe_fail(err, PE_ERR_MALFORMED, "'taken' says %zu bytes, and only %zu were under way", bytes,
                       input->under_way);
    input->under_way -= bytes;
    pe_buf_consume(&input->typed, bytes);
    return 0;
}
