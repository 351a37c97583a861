/* SPDX-License-Identifier: Apache-2.0 */
/* The response of an exchange: headers when the fields of the result are known, then pieces of
 * the body as fast as the client reads them. Only one piece is copied ahead of the client. What
 * it has not read yet lies in the result, once for all readers. */
#include "lb/api/exchange.h"

#include "base/io.h"
#include "base/log.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

#include <stdio.h>

enum {
    PIECE_SIZE = 128 * 1024, /* bytes that are handed to libh2o at a time */
    BEHIND_SIZE = 1 << 20,   /* a client that has left more bytes of events unread is a slow reader */
};

/* ---- what is sent: the result alone, or events ---- */

static struct pe_buf *out_of(struct exchange *exchange)
{
    return exchange->events ? &exchange->events->out : &exchange->encoder.out;
}

static int fill(struct exchange *exchange, struct pe_error *err)
{
    return exchange->events ? event_encoder_fill(exchange->events, PIECE_SIZE, err)
                            : result_encoder_fill(&exchange->encoder, PIECE_SIZE, err);
}

static bool has_ended(const struct exchange *exchange)
{
    return exchange->events ? exchange->events->ended : exchange->encoder.ended;
}

static const char *content_type_of(const struct exchange *exchange)
{
    return exchange->events ? result_media_types[exchange->format] : exchange->encoder.content_type;
}

/* ---- starting ---- */

/* For struct byte_budget. */
static size_t cut_off(struct budget_reader *reader)
{
    struct exchange *exchange = pe_list_entry(reader, struct exchange, reader);
    pe_log_about(PE_LOG_WARN, exchange->id, "results use too much memory: its slow reader is cut off");
    connection_shut_down(exchange->req);
    const struct job_result *result = exchange->events ? exchange->events->result : exchange->encoder.result;
    const struct live_output *live = exchange->events ? exchange->events->live : NULL;
    /* All who have it free it together. */
    return (live ? live->held / live->refs : 0) +
           (!result || result->in_cache ? 0 : result->held / result->refs);
}

/* A client that gets events can be a slow reader only when its job has ended, or when it has left more than
 * BEHIND_SIZE bytes of them unread. */
static void note_reader(struct exchange *exchange)
{
    bool is_waiting = exchange->waiter.job || (exchange->cases && !exchange->has_result);
    bool is_behind = exchange->events && exchange->in_flight && exchange->events->runs_bytes > BEHIND_SIZE;
    bool may_be_slow = !exchange->events || !is_waiting || is_behind;
    if (may_be_slow && !exchange->reader.cut_off)
        byte_budget_add(exchange->exchanges->jobs->budget, &exchange->reader, cut_off);
}

void exchange_hold_memory(struct exchange *exchange)
{
    struct byte_budget *budget = exchange->exchanges->jobs->budget;
    note_reader(exchange);
    size_t runs = exchange->events ? exchange->events->runs_bytes : 0;
    byte_budget_hold(budget, &exchange->reader,
                     out_of(exchange)->capacity + exchange->sending.capacity + runs);
    byte_budget_enforce(budget);
}

bool exchange_has_room(struct exchange *exchange, size_t bytes)
{
    struct byte_budget *budget = exchange->exchanges->jobs->budget;
    size_t holds = exchange->reader.holds;
    byte_budget_hold(budget, &exchange->reader, holds + bytes);
    byte_budget_enforce(budget);
    bool has_room = byte_budget_has_room(budget, 0);
    byte_budget_hold(budget, &exchange->reader, holds);
    return has_room;
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req);

static void start_headers(struct exchange *exchange, const char *content_type)
{
    h2o_req_t *req = exchange->req;
    req->res.status = 200;
    req->res.reason = "OK";
    http_reply_header(req, "content-type", content_type);
    http_reply_header(req, "cache-control", "no-store");
    if (exchange->events)
        http_reply_header(req, "x-accel-buffering", "no"); /* nginx would keep events back */
    exchange_add_headers(exchange);
    exchange->generator.proceed = on_proceed;
    exchange->started = true;
}

static void start_response(struct exchange *exchange)
{
    if (has_ended(exchange))
        exchange->req->res.content_length = out_of(exchange)->size;
    start_headers(exchange, content_type_of(exchange));
    h2o_start_response(exchange->req, &exchange->generator);
}

void exchange_send_rendered(struct exchange *exchange, struct job_result *result,
                            const struct rendered *rendered)
{
    snprintf(exchange->log_status, sizeof exchange->log_status, "%s", pe_status_name(result->fields.status));
    exchange->encoder.result = job_result_ref(result);
    exchange->has_result = exchange->ended = exchange->in_flight = true;
    submission_drop_files(&exchange->submission);
    exchange->req->res.content_length = rendered->body.size;
    start_headers(exchange, rendered->content_type);
    byte_budget_add(exchange->exchanges->jobs->budget, &exchange->reader, cut_off);
    h2o_start_response(exchange->req, &exchange->generator);
    h2o_iovec_t body = h2o_iovec_init(rendered->body.data, rendered->body.size);
    h2o_send(exchange->req, &body, 1, H2O_SEND_STATE_FINAL);
}

/* ---- ending early ---- */

void exchange_abort(struct exchange *exchange)
{
    exchange_leave(exchange);
    exchange->aborted = true;
    if (!exchange->in_flight)
        h2o_send(exchange->req, NULL, 0, H2O_SEND_STATE_ERROR);
}

/* The response cannot be made. If headers were sent, it is broken off. */
static void fail(struct exchange *exchange, const struct pe_error *err)
{
    pe_log_about(PE_LOG_ERROR, exchange->id, "%s", err->message);
    if (exchange->started) {
        exchange_abort(exchange);
        return;
    }
    struct pe_problem problem = pe_problem_from_error(err);
    exchange_send_problem(exchange, &problem);
}

/* ---- pieces ---- */

static int append_json(const void *context, const struct job_result *result, struct pe_buf *out,
                       struct pe_error *err)
{
    const struct exchange *exchange = context;
    return exchange->dialect->append_json(exchange, result, out, err);
}

/* Whether responses have encoded enough in this iteration of the loop. The next piece is then sent in
 * the next one. */
static bool must_pause(struct exchange *exchange)
{
    return body_streams_must_pause(exchange->exchanges->streams, &exchange->tick_entry);
}

/* Hand the next piece to libh2o, unless it still has one. The exchange may end inside the call. */
static void send_piece(struct exchange *exchange)
{
    struct pe_error err;
    struct pe_buf *out = out_of(exchange);
    h2o_timeout_unlink(&exchange->tick_entry);
    if (exchange->in_flight || exchange->aborted || exchange->ended || must_pause(exchange))
        return;
    if (fill(exchange, &err) < 0) {
        fail(exchange, &err);
        return;
    }
    if (out->size == 0 && !has_ended(exchange))
        return;
    if (!exchange->started)
        start_response(exchange);
    struct pe_buf spare = exchange->sending;
    spare.size = 0;
    exchange->sending = *out;
    *out = spare;
    exchange->in_flight = true;
    exchange->ended = has_ended(exchange);
    if (exchange->events)
        exchange_events_watch_silence(exchange);
    body_streams_note(exchange->exchanges->streams, exchange->sending.size);
    exchange_hold_memory(exchange);
    connection_response_begin(exchange->req);
    h2o_iovec_t piece = h2o_iovec_init(exchange->sending.data, exchange->sending.size);
    h2o_send(exchange->req, &piece, piece.len ? 1 : 0,
             exchange->ended ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct exchange *exchange = H2O_STRUCT_FROM_MEMBER(struct exchange, generator, generator);
    exchange->in_flight = false;
    connection_response_wait(req);
    if (exchange->aborted)
        h2o_send(req, NULL, 0, H2O_SEND_STATE_ERROR);
    else
        send_piece(exchange);
}

void exchange_on_tick(h2o_timeout_entry_t *entry)
{
    send_piece(H2O_STRUCT_FROM_MEMBER(struct exchange, tick_entry, entry));
}

/* ---- what the job reports ---- */

void exchange_on_progress(struct exchange *exchange)
{
    const struct job_result *result = exchange->events ? exchange->events->result : exchange->encoder.result;
    if (!exchange->has_result)
        return;
    if (result->complete) {
        exchange->finished_us = pe_now_us();
        /* Nothing is left to cancel, and a client may close its sending side now. */
        snprintf(exchange->log_status, sizeof exchange->log_status, "%s",
                 pe_status_name(result->fields.status));
        exchange_charge(exchange, &result->fields);
        exchange_leave(exchange);
        note_reader(exchange); /* it may have read nothing so far */
        if (result->fields.status == PE_STATUS_VM_ERROR && exchange->dialect->vm_error_is_problem) {
            struct pe_problem problem = problem_make("internal", "the VM failed: %s", result->fields.reason);
            exchange_send_problem(exchange, &problem);
            return;
        }
    }
    exchange_send_soon(exchange);
}

void exchange_send_result(struct exchange *exchange, struct job_result *result)
{
    struct pe_error err;
    struct pe_result fields = result->fields;
    fields.cached = exchange->source == SOURCE_HIT_MEMORY || exchange->source == SOURCE_HIT_STORE;
    fields.phase_us[PE_PHASE_QUEUE] =
        exchange->started_us ? exchange->started_us - exchange->waiter.arrived_us : 0;
    exchange->has_result = true;
    deadline_forget(&exchange->deadline);
    if (exchange->events) {
        event_encoder_set_result(exchange->events, result, &fields);
        exchange_on_progress(exchange);
        return;
    }
    if (result_encoder_begin(&exchange->encoder, exchange->format, result, &fields, &err) < 0) {
        fail(exchange, &err);
        return;
    }
    if (exchange->dialect->append_json) {
        exchange->encoder.append_json = append_json;
        exchange->encoder.append_context = exchange;
    }
    exchange_on_progress(exchange);
}

void exchange_on_lost(struct exchange *exchange)
{
    exchange_charge(exchange, NULL);
    exchange->lost_tries++;
    if (exchange->events) {
        exchange_events_restart(exchange, exchange->waiter.job->last_loss);
        return;
    }
    if (exchange->started) {
        snprintf(exchange->log_status, sizeof exchange->log_status, "job-lost");
        exchange_abort(exchange);
        return;
    }
    exchange_drop_result(exchange);
    deadline_resume(exchange->exchanges->deadlines, &exchange->deadline);
}

void exchange_on_returned(struct exchange *exchange)
{
    exchange->pays_since_us = 0; /* nothing has run */
    if (exchange->events)
        exchange_events_restart(exchange, "the worker has given the job back before it began");
    else
        deadline_resume(exchange->exchanges->deadlines, &exchange->deadline);
}
