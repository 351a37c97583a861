/* The response of a run: headers when the result's description arrives, then pieces of the body as fast as
 * the client takes them. Nothing is copied ahead of the client but one piece: what it has not taken yet lies
 * in the outcome, once for all who are sent it. */
#include "lb/api/exchange.h"

#include "base/log.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "lb/server.h"

#include <stdio.h>
#include <sys/socket.h>

enum { PIECE = 128 * 1024 }; /* bytes handed to libh2o at a time */

void exchange_disconnect(struct exchange *exchange)
{
    /* libh2o has no call for this; an end of the stream it notices wherever it polls, and a write it fails.
     */
    shutdown(h2o_socket_get_fd(exchange->req->conn->callbacks->get_socket(exchange->req->conn)), SHUT_RDWR);
}

/* ---- sending ---- */

void exchange_on_stall(h2o_timeout_entry_t *entry)
{
    struct exchange *exchange = H2O_STRUCT_FROM_MEMBER(struct exchange, stall_entry, entry);
    pe_log_about(PE_LOG_WARN, exchange->id,
                 "the client takes nothing of its response: closing its connection");
    exchange_disconnect(exchange);
}

static void start_response(struct exchange *exchange);

/* The response cannot be made: nothing of it may be out, or it is broken off. */
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

/* Hand libh2o the next piece, unless it still has one. The run may end inside. */
static void send_piece(struct exchange *exchange)
{
    struct pe_error err;
    struct pe_buf *out = &exchange->encoder.out;
    h2o_timeout_unlink(&exchange->tick_entry);
    if (exchange->in_flight || exchange->aborted || exchange->ended)
        return;
    if (result_encoder_fill(&exchange->encoder, PIECE, &err) < 0) {
        fail(exchange, &err);
        return;
    }
    if (out->size == 0 && !exchange->encoder.ended)
        return;
    if (!exchange->started)
        start_response(exchange);
    struct pe_buf spare = exchange->sending;
    spare.size = 0;
    exchange->sending = *out;
    *out = spare;
    exchange->in_flight = true;
    exchange->ended = exchange->encoder.ended;
    h2o_timeout_link(exchange->server->ctx.loop, &exchange->server->stall, &exchange->stall_entry);
    h2o_iovec_t piece = h2o_iovec_init(exchange->sending.data, exchange->sending.size);
    h2o_send(exchange->req, &piece, piece.len ? 1 : 0,
             exchange->ended ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct exchange *exchange = H2O_STRUCT_FROM_MEMBER(struct exchange, generator, generator);
    exchange->in_flight = false;
    h2o_timeout_unlink(&exchange->stall_entry);
    if (exchange->aborted)
        h2o_send(req, NULL, 0, H2O_SEND_STATE_ERROR);
    else
        send_piece(exchange);
}

void exchange_abort(struct exchange *exchange)
{
    exchange_leave(exchange);
    exchange->aborted = true;
    if (!exchange->in_flight)
        h2o_send(exchange->req, NULL, 0, H2O_SEND_STATE_ERROR);
}

static void start_headers(struct exchange *exchange, const char *content_type)
{
    h2o_req_t *req = exchange->req;
    req->res.status = 200;
    req->res.reason = "OK";
    http_reply_header(req, "content-type", content_type);
    http_reply_header(req, "cache-control", "no-store");
    exchange_add_headers(exchange);
    exchange->generator.proceed = on_proceed;
    exchange->started = true;
}

static void start_response(struct exchange *exchange)
{
    if (exchange->encoder.ended)
        exchange->req->res.content_length = exchange->encoder.out.size;
    start_headers(exchange, exchange->encoder.content_type);
    list_append(&exchange->server->responding, &exchange->in_responding);
    h2o_start_response(exchange->req, &exchange->generator);
}

void exchange_send_rendered(struct exchange *exchange, struct job_result *result,
                            const struct rendered *rendered)
{
    snprintf(exchange->log_status, sizeof exchange->log_status, "%s", pe_status_name(result->fields.status));
    exchange->encoder.result = job_result_ref(result);
    exchange->begun = exchange->ended = exchange->in_flight = true;
    exchange->req->res.content_length = rendered->body.size;
    start_headers(exchange, rendered->content_type);
    h2o_timeout_link(exchange->server->ctx.loop, &exchange->server->stall, &exchange->stall_entry);
    h2o_start_response(exchange->req, &exchange->generator);
    h2o_iovec_t body = h2o_iovec_init(rendered->body.data, rendered->body.size);
    h2o_send(exchange->req, &body, 1, H2O_SEND_STATE_FINAL);
}

/* ---- what the task reports ---- */

void exchange_on_turn(h2o_timeout_entry_t *entry)
{
    send_piece(H2O_STRUCT_FROM_MEMBER(struct exchange, tick_entry, entry));
}

/* What comes in one turn of the loop goes out in one piece: a small result is whole by then. */
static void send_soon(struct exchange *exchange)
{
    if (!h2o_timeout_is_linked(&exchange->tick_entry))
        h2o_timeout_link(exchange->server->ctx.loop, &exchange->server->ctx.zero_timeout,
                         &exchange->tick_entry);
}

/* To Piston's clients a sandbox that failed is no result. */
static void send_vm_error(struct exchange *exchange, const struct job_result *result)
{
    struct pe_problem problem = problem_make("internal", "the VM failed: %s", result->fields.reason);
    exchange_send_problem(exchange, &problem);
}

void exchange_on_progress(struct exchange *exchange)
{
    struct job_result *result = exchange->encoder.result;
    if (!exchange->begun)
        return;
    if (result->complete) {
        /* Nothing is left to cancel, and a client may close its sending side now. */
        snprintf(exchange->log_status, sizeof exchange->log_status, "%s",
                 pe_status_name(result->fields.status));
        exchange_leave(exchange);
        if (exchange->is_piston && result->fields.status == PE_STATUS_VM_ERROR) {
            send_vm_error(exchange, result);
            return;
        }
    }
    send_soon(exchange);
}

void exchange_on_result(struct exchange *exchange, struct job_result *result)
{
    struct pe_error err;
    struct pe_result fields = result->fields;
    fields.cached = exchange->source == SOURCE_HIT_MEMORY || exchange->source == SOURCE_HIT_STORE;
    fields.phase_us[PE_PHASE_QUEUE] = exchange->started_us ? exchange->started_us - exchange->arrived_us : 0;
    exchange->begun = true;
    list_remove(&exchange->in_waiting);
    if (result_encoder_begin(&exchange->encoder, exchange->format, result, &fields, &err) < 0) {
        fail(exchange, &err);
        return;
    }
    exchange->encoder.piston = exchange->is_piston ? &exchange->piston : NULL;
    exchange_on_progress(exchange);
}

void exchange_on_stored(struct exchange *exchange)
{
    if (exchange->source == SOURCE_FORWARDED)
        exchange->source = SOURCE_HIT_STORE;
    exchange_on_result(exchange, exchange->job->result);
}

void exchange_on_lost(struct exchange *exchange)
{
    if (exchange->started) {
        snprintf(exchange->log_status, sizeof exchange->log_status, "job-lost");
        exchange_abort(exchange);
        return;
    }
    exchange->begun = false;
    h2o_timeout_unlink(&exchange->tick_entry);
    result_encoder_free(&exchange->encoder);
}
