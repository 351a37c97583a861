/* SPDX-License-Identifier: Apache-2.0 */
/* The part of an exchange that is only there when the client asked for events: it gets them from the moment
 * on at which its job is admitted, and the response begins long before there is a result. How pieces are
 * sent is exchange_response.c's part. */
#include "lb/api/exchange.h"

#include "lb/edge/problems.h"

#include <stdlib.h>

static event_writer *writer_of(const struct exchange *exchange)
{
    return exchange->dialect->write_event;
}

static enum event_framing framing_of(const struct exchange *exchange)
{
    if (exchange->format != RESULT_EVENT_STREAM)
        return EVENT_FRAMING_LINES;
    return writer_of(exchange) ? EVENT_FRAMING_DATA : EVENT_FRAMING_SSE;
}

int exchange_events_open(struct exchange *exchange, struct pe_error *err)
{
    if (exchange->format < RESULT_FORMATS)
        return 0;
    exchange->events = calloc(1, sizeof *exchange->events);
    if (!exchange->events)
        return pe_fail_errno(err, "cannot make the events of a job");
    event_encoder_begin(exchange->events, framing_of(exchange), exchange->id, writer_of(exchange), exchange);
    exchange->waiter.watches = true;
    return 0;
}

void exchange_events_start(struct exchange *exchange)
{
    if (!exchange->events)
        return;
    event_encoder_start(exchange->events);
    exchange_send_soon(exchange);
}

void exchange_events_output(struct exchange *exchange)
{
    if (!exchange->events)
        return;
    event_encoder_set_live(exchange->events, exchange->waiter.job->live);
    exchange_send_soon(exchange);
}

void exchange_events_restart(struct exchange *exchange, const char *reason)
{
    exchange->has_result = false;
    event_encoder_restart(exchange->events, reason);
    deadline_resume(exchange->exchanges->deadlines, &exchange->deadline);
    exchange_send_soon(exchange);
}

void exchange_events_fail(struct exchange *exchange, const struct pe_problem *problem)
{
    event_encoder_set_problem(exchange->events, problem);
    exchange_send_soon(exchange);
}

/* ---- silence ---- */

static void on_silence(h2o_timeout_entry_t *entry)
{
    struct exchange *exchange = H2O_STRUCT_FROM_MEMBER(struct exchange, silence_entry, entry);
    struct pe_error ignored; /* without memory, the client hears nothing this time */
    exchange_events_watch_silence(exchange);
    if (exchange->in_flight || exchange->events->out.size)
        return; /* it is the client that is silent */
    if (event_encoder_append_sign_of_life(exchange->events, &ignored) == 0)
        exchange_send_soon(exchange);
}

void exchange_events_watch_silence(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->exchanges;
    h2o_timeout_unlink(&exchange->silence_entry);
    exchange->silence_entry.cb = on_silence;
    if (!exchange->ended && !exchange->aborted)
        h2o_timeout_link(exchanges->ctx->loop, &exchanges->silence, &exchange->silence_entry);
}

void exchange_events_close(struct exchange *exchange)
{
    h2o_timeout_unlink(&exchange->silence_entry);
    if (!exchange->events)
        return;
    event_encoder_free(exchange->events);
    free(exchange->events);
    exchange->events = NULL;
}
