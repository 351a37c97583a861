/* The response of a run: headers when the result's description arrives, then pieces of the body as fast as
 * the client takes them. What it does not take is buffered; a result's size is limited, and so is the buffer.
 */
#include "lb/run.h"

#include "base/log.h"
#include "lb/answer.h"
#include "lb/problems.h"
#include "lb/server.h"

#include <stdio.h>
#include <sys/socket.h>

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
    pe_log(PE_LOG_WARN, "job %s: the client takes nothing of its response: closing its connection", run->id);
    run_disconnect(run);
}

/* Hand libh2o the next piece, unless it still has one. The run may end inside. */
static void send_piece(struct run *run)
{
    struct pe_buf *out = &run->response.out;
    if (!run->started || run->in_flight || run->aborted || (out->size == 0 && !run->ended))
        return;
    struct pe_buf spare = run->sending;
    spare.size = 0;
    run->sending = *out;
    *out = spare;
    run->in_flight = true;
    h2o_timeout_link(run->server->ctx.loop, &run->server->stall, &run->stall_entry);
    if (run->ended) /* nothing is left to cancel, and a client may close its sending side now */
        hangup_unwatch(&run->server->hangup, &run->watch);
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

/* ---- headers ---- */

/* Server-Timing (W3C): the phases in milliseconds. */
static void add_timing(struct run *run)
{
    char text[PE_PHASES * 48] = "";
    size_t used = 0;
    for (int phase = 0; phase < PE_PHASES; phase++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s;dur=%.3f", phase ? ", " : "",
                                 pe_phase_names[phase], (double)run->response.result.phase_us[phase] / 1000);
    answer_header(run->req, "server-timing", text);
}

static void start_response(struct run *run)
{
    h2o_req_t *req = run->req;
    req->res.status = 200;
    req->res.reason = "OK";
    if (run->ended)
        req->res.content_length = run->response.out.size;
    answer_header(req, "content-type", run->response.content_type);
    answer_header(req, "cache-control", "no-store");
    add_timing(run);
    run->generator.proceed = on_proceed;
    run->started = true;
    h2o_start_response(req, &run->generator);
}

/* ---- what the slot reports ---- */

int run_on_result(struct run *run, struct pe_message *message, struct pe_error *err)
{
    struct pe_result *result = &message->result;
    result->phase_us[PE_PHASE_QUEUE] = run->started_us - run->arrived_us;
    result->cached = false;
    if (response_begin(&run->response, run->format, result, &message->parts, err) < 0)
        return -1;
    /* JSON needs all bytes first; until then, another slot can still do the job. */
    if (run->format != RESPONSE_JSON) {
        start_response(run);
        send_piece(run);
    }
    return 0;
}

int run_on_bytes(struct run *run, const void *bytes, size_t size, struct pe_error *err)
{
    if (response_bytes(&run->response, bytes, size, err) < 0)
        return -1;
    send_piece(run);
    return 0;
}

void run_on_end(struct run *run)
{
    struct pe_error err;
    snprintf(run->outcome, sizeof run->outcome, "%s", pe_status_name(run->response.result.status));
    if (response_end(&run->response, &err) == 0) {
        run->ended = true;
        if (!run->started)
            start_response(run);
        send_piece(run);
    } else if (run->started) {
        pe_log(PE_LOG_ERROR, "job %s: %s", run->id, err.message);
        run_abort_response(run);
    } else {
        struct pe_problem problem = pe_problem_from_error(&err);
        run_answer_problem(run, &problem);
    }
}
