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

void run_disconnect(struct run *run)
{
    /* libh2o has no call for this; an end of the stream it notices wherever it polls, and a write it fails.
     */
    shutdown(h2o_socket_get_fd(run->req->conn->callbacks->get_socket(run->req->conn)), SHUT_RDWR);
}

/* ---- sending ---- */

void run_on_stall(h2o_timeout_entry_t *entry)
{
    struct run *run = H2O_STRUCT_FROM_MEMBER(struct run, stall_entry, entry);
    pe_log_about(PE_LOG_WARN, run->id, "the client takes nothing of its response: closing its connection");
    run_disconnect(run);
}

static void start_response(struct run *run);

/* The response cannot be made: nothing of it may be out, or it is broken off. */
static void fail(struct run *run, const struct pe_error *err)
{
    pe_log_about(PE_LOG_ERROR, run->id, "%s", err->message);
    if (run->started) {
        run_abort_response(run);
        return;
    }
    struct pe_problem problem = pe_problem_from_error(err);
    run_answer_problem(run, &problem);
}

/* Hand libh2o the next piece, unless it still has one. The run may end inside. */
static void send_piece(struct run *run)
{
    struct pe_error err;
    struct pe_buf *out = &run->response.out;
    h2o_timeout_unlink(&run->turn_entry);
    if (run->in_flight || run->aborted || run->ended)
        return;
    if (response_fill(&run->response, PIECE, &err) < 0) {
        fail(run, &err);
        return;
    }
    if (out->size == 0 && !run->response.ended)
        return;
    if (!run->started)
        start_response(run);
    struct pe_buf spare = run->sending;
    spare.size = 0;
    run->sending = *out;
    *out = spare;
    run->in_flight = true;
    run->ended = run->response.ended;
    h2o_timeout_link(run->server->ctx.loop, &run->server->stall, &run->stall_entry);
    h2o_iovec_t piece = h2o_iovec_init(run->sending.data, run->sending.size);
    h2o_send(run->req, &piece, piece.len ? 1 : 0,
             run->ended ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct run *run = H2O_STRUCT_FROM_MEMBER(struct run, generator, generator);
    run->in_flight = false;
    h2o_timeout_unlink(&run->stall_entry);
    if (run->aborted)
        h2o_send(req, NULL, 0, H2O_SEND_STATE_ERROR);
    else
        send_piece(run);
}

void run_abort_response(struct run *run)
{
    run_leave(run);
    run->aborted = true;
    if (!run->in_flight)
        h2o_send(run->req, NULL, 0, H2O_SEND_STATE_ERROR);
}

static void start_headers(struct run *run, const char *content_type)
{
    h2o_req_t *req = run->req;
    req->res.status = 200;
    req->res.reason = "OK";
    answer_header(req, "content-type", content_type);
    answer_header(req, "cache-control", "no-store");
    run_add_headers(run);
    run->generator.proceed = on_proceed;
    run->started = true;
}

static void start_response(struct run *run)
{
    if (run->response.ended)
        run->req->res.content_length = run->response.out.size;
    start_headers(run, run->response.content_type);
    list_append(&run->server->answering, &run->in_answering);
    h2o_start_response(run->req, &run->generator);
}

void run_send_rendered(struct run *run, struct outcome *outcome, const struct rendered *rendered)
{
    snprintf(run->outcome, sizeof run->outcome, "%s", pe_status_name(outcome->result.status));
    run->response.outcome = outcome_ref(outcome);
    run->begun = run->ended = run->in_flight = true;
    run->req->res.content_length = rendered->body.size;
    start_headers(run, rendered->content_type);
    h2o_timeout_link(run->server->ctx.loop, &run->server->stall, &run->stall_entry);
    h2o_start_response(run->req, &run->generator);
    h2o_iovec_t body = h2o_iovec_init(rendered->body.data, rendered->body.size);
    h2o_send(run->req, &body, 1, H2O_SEND_STATE_FINAL);
}

/* ---- what the task reports ---- */

void run_on_turn(h2o_timeout_entry_t *entry)
{
    send_piece(H2O_STRUCT_FROM_MEMBER(struct run, turn_entry, entry));
}

/* What comes in one turn of the loop goes out in one piece: a small result is whole by then. */
static void send_soon(struct run *run)
{
    if (!h2o_timeout_is_linked(&run->turn_entry))
        h2o_timeout_link(run->server->ctx.loop, &run->server->ctx.zero_timeout, &run->turn_entry);
}

/* To Piston's clients a sandbox that failed is no result. */
static void answer_vm_error(struct run *run, const struct outcome *outcome)
{
    struct pe_problem problem = problem_make("internal", "the VM failed: %s", outcome->result.reason);
    run_answer_problem(run, &problem);
}

void run_on_progress(struct run *run)
{
    struct outcome *outcome = run->response.outcome;
    if (!run->begun)
        return;
    if (outcome->complete) {
        /* Nothing is left to cancel, and a client may close its sending side now. */
        snprintf(run->outcome, sizeof run->outcome, "%s", pe_status_name(outcome->result.status));
        run_leave(run);
        if (run->is_piston && outcome->result.status == PE_STATUS_VM_ERROR) {
            answer_vm_error(run, outcome);
            return;
        }
    }
    send_soon(run);
}

void run_on_outcome(struct run *run, struct outcome *outcome)
{
    struct pe_error err;
    struct pe_result result = outcome->result;
    result.cached = run->source == RUN_HIT_MEMORY || run->source == RUN_HIT_STORE;
    result.phase_us[PE_PHASE_QUEUE] = run->started_us ? run->started_us - run->arrived_us : 0;
    run->begun = true;
    list_remove(&run->in_waiting);
    if (response_begin(&run->response, run->format, outcome, &result, &err) < 0) {
        fail(run, &err);
        return;
    }
    run->response.piston = run->is_piston ? &run->piston : NULL;
    run_on_progress(run);
}

void run_on_stored(struct run *run)
{
    if (run->source == RUN_FORWARDED)
        run->source = RUN_HIT_STORE;
    run_on_outcome(run, run->task->outcome);
}

void run_on_lost(struct run *run)
{
    if (run->started) {
        snprintf(run->outcome, sizeof run->outcome, "job-lost");
        run_abort_response(run);
        return;
    }
    run->begun = false;
    h2o_timeout_unlink(&run->turn_entry);
    response_free(&run->response);
}
