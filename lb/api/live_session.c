/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a session: its connection, its phases and their time, and what it sends. How its job is let
 * in is live_admission.c's part. */
#include "lb/api/live_session.h"

#include "base/io.h"
#include "base/log.h"
#include "base/random_text.h"
#include "lb/api/trace_header.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EVENT_SIZE = 64 * 1024,        /* bytes that an encoder makes at a time */
    TEXT_MAX = 512 * 1024,         /* bytes of a message behind the first one: input with its escapes */
    SILENT_US = 10 * 1000 * 1000,  /* until the first message begins */
    ARRIVE_US = 120 * 1000 * 1000, /* until it has arrived */
};

static struct live_session *from_ws(struct ws_server *ws)
{
    return H2O_STRUCT_FROM_MEMBER(struct live_session, ws, ws);
}

/* ---- sending: one event after the other ---- */

/* The next bytes of the event that is being sent. */
static size_t on_read(struct ws_server *ws, uint8_t *bytes, size_t room, bool *is_end)
{
    struct live_session *session = from_ws(ws);
    struct event_encoder *events = &session->events;
    struct pe_error err;
    if (session->sent == events->out.size && events->in_event) {
        session->sent = events->out.size = 0;
        if (event_encoder_next(events, EVENT_SIZE, &err) < 0) {
            pe_log_about(PE_LOG_ERROR, session->id, "%s", err.message);
            ws_server_kill(ws);
        }
    }
    size_t left = events->out.size - session->sent, size = left < room ? left : room;
    if (size)
        memcpy(bytes, events->out.data + session->sent, size);
    session->sent += size;
    session->active_us = pe_now_us();
    *is_end = session->sent == events->out.size && (!events->in_event || ws->closing);
    session->is_sending = !*is_end;
    return size;
}

/* The last event is in the socket: close, unless a ping is still to be framed. */
static void close_if_done(struct live_session *session)
{
    const char *reason = "";
    if (!session->events.ended || !ws_server_is_drained(&session->ws))
        return;
    uint16_t code = session->dialect->close_code ? session->dialect->close_code(session, &reason)
                                                 : WSLAY_CODE_NORMAL_CLOSURE;
    ws_server_close(&session->ws, code, reason);
}

static void hold_memory(struct live_session *session)
{
    struct byte_budget *budget = session->sessions->exchanges->jobs->budget;
    byte_budget_hold(budget, &session->reader, session->events.out.capacity);
    byte_budget_enforce(budget);
}

/* Begin to send the next event, if there is one. */
static void send_next(struct live_session *session)
{
    struct event_encoder *events = &session->events;
    struct pe_error err;
    if (session->is_sending || session->ws.closing)
        return;
    session->sent = events->out.size = 0;
    if (session->phase != LIVE_SILENT && event_encoder_next(events, EVENT_SIZE, &err) < 0) {
        pe_log_about(PE_LOG_ERROR, session->id, "%s", err.message);
        ws_server_kill(&session->ws);
        return;
    }
    if (events->out.size == 0) {
        close_if_done(session);
        return;
    }
    session->is_sending = true;
    hold_memory(session);
    ws_server_send_read(&session->ws, on_read);
}

static void on_room(struct ws_server *ws)
{
    send_next(from_ws(ws));
}

/* ---- the end of the job ---- */

static size_t cut_off(struct budget_reader *reader)
{
    struct live_session *session = pe_list_entry(reader, struct live_session, reader);
    const struct job_result *result = session->events.result;
    pe_log_about(PE_LOG_WARN, session->id, "results use too much memory: its slow reader is cut off");
    ws_server_kill(&session->ws);
    const struct live_output *live = session->events.live;
    return (result ? result->held / result->refs : 0) + (live ? live->held / live->refs : 0);
}

/* The CPU time that the result states or, without a complete result, the time for which the job ran. */
static uint64_t cpu_time_of(const struct live_session *session)
{
    const struct job_result *result = session->events.result;
    return result && result->complete
               ? job_result_cpu_us(&result->fields, session->submission.spec.timeout_ms)
               : pe_now_us() - session->started_us;
}

static void leave_job(struct live_session *session)
{
    struct live_sessions *sessions = session->sessions;
    if (session->client && session->phase == LIVE_RUNNING)
        client_charge(session->client, cpu_time_of(session));
    job_leave(&session->waiter);
    sessions->jobs -= session->is_counted;
    session->is_counted = false;
    if (session->client)
        client_leave(sessions->exchanges->clients, session->client, pe_now_us());
    session->client = NULL;
}

/* From now on only the client is waited for. */
static void end_job(struct live_session *session, const char *status)
{
    struct byte_budget *budget = session->sessions->exchanges->jobs->budget;
    leave_job(session);
    submission_drop_files(&session->submission);
    snprintf(session->log_status, sizeof session->log_status, "%s", status);
    session->phase = LIVE_ENDING;
    session->active_us = pe_now_us();
    session->deadline.at_us = session->active_us + session->sessions->limits.stall_us;
    byte_budget_add(budget, &session->reader, cut_off);
}

void live_session_fail(struct live_session *session, const struct pe_problem *problem)
{
    if (session->phase == LIVE_ENDING)
        return;
    end_job(session, problem->type);
    event_encoder_set_problem(&session->events, problem);
    send_next(session);
}

void live_session_fail_error(struct live_session *session, const struct pe_error *err)
{
    struct pe_problem problem = pe_problem_from_error(err);
    live_session_fail(session, &problem);
}

void live_session_close(struct live_session *session, uint16_t code, const char *reason)
{
    if (session->phase == LIVE_ENDING)
        return;
    end_job(session, reason);
    ws_server_close(&session->ws, code, reason);
}

void live_session_end(struct live_session *session)
{
    session->finished_us = pe_now_us();
    end_job(session, pe_status_name(session->events.fields.status));
    send_next(session);
}

void live_session_send(struct live_session *session)
{
    send_next(session);
}

/* ---- time ---- */

static void fail_idle(struct live_session *session)
{
    struct pe_problem problem =
        problem_make("interactive-idle", "nothing was typed or printed for %llu s, which is the limit",
                     (unsigned long long)session->sessions->limits.idle_us / 1000000);
    live_session_fail(session, &problem);
}

static void stop_arriving(struct live_session *session)
{
    session->sessions->arriving -= session->arriving;
    session->arriving = 0;
}

/* What has arrived of a first message is not kept while the connection closes, nor what follows. */
static void close_silent(struct live_session *session)
{
    const struct live_dialect *dialect = session->dialect;
    stop_arriving(session);
    ws_server_limit(&session->ws, TEXT_MAX);
    if (session->is_arriving)
        ws_server_discard(&session->ws);
    if (dialect->silent_us)
        ws_server_close(&session->ws, dialect->silent_code, dialect->silent_reason);
    else
        ws_server_close(&session->ws, WSLAY_CODE_POLICY_VIOLATION, "no job has arrived in time");
}

static void on_deadline(struct deadline *deadline)
{
    struct live_session *session = pe_list_entry(deadline, struct live_session, deadline);
    const struct live_limits *limits = &session->sessions->limits;
    uint64_t now = pe_now_us();
    switch (session->phase) {
    case LIVE_SILENT:
        close_silent(session);
        break;
    case LIVE_WAITING:
        session->on_waited(session);
        break;
    case LIVE_RUNNING:
        deadline->at_us = session->active_us + limits->idle_us;
        if (now >= deadline->at_us)
            fail_idle(session);
        break;
    case LIVE_ENDING:
        deadline->at_us = session->active_us + limits->stall_us;
        if (now >= deadline->at_us)
            ws_server_kill(&session->ws);
        break;
    }
}

/* ---- what arrives ---- */

/* First messages may be large, and are in memory until they are complete. */
static void on_arriving(struct ws_server *ws, size_t size)
{
    struct live_session *session = from_ws(ws);
    struct live_sessions *sessions = session->sessions;
    if (session->phase != LIVE_SILENT || size == 0) /* as in the answer to a ping */
        return;
    if (!session->is_arriving)
        session->deadline.at_us = pe_now_us() + ARRIVE_US;
    session->is_arriving = true;
    session->arriving += size;
    sessions->arriving += size;
    if (sessions->arriving <= sessions->limits.arriving)
        return;
    struct pe_problem problem =
        problem_make("no-capacity", "jobs of %zu MiB are arriving already, which is the limit",
                     sessions->limits.arriving >> 20);
    stop_arriving(session);
    ws_server_discard(ws);
    live_session_fail(session, &problem);
}

static void on_text(struct ws_server *ws, const uint8_t *text, size_t size)
{
    struct live_session *session = from_ws(ws);
    if (session->phase == LIVE_ENDING)
        return;
    ws_server_limit(ws, TEXT_MAX);
    session->dialect->on_text(session, text, size);
    stop_arriving(session);
}

static void on_bytes(struct ws_server *ws, const uint8_t *bytes, size_t size)
{
    struct live_session *session = from_ws(ws);
    if (session->phase == LIVE_ENDING)
        return;
    ws_server_limit(ws, TEXT_MAX);
    session->dialect->on_bytes(session, bytes, size);
    stop_arriving(session);
}

void live_session_note_input(struct live_session *session)
{
    session->active_us = pe_now_us();
}

void live_session_type(struct live_session *session, const void *bytes, size_t size)
{
    struct pe_error err;
    live_session_note_input(session);
    if (job_input_type(&session->input, bytes, size, &err) == 0)
        return;
    if (err.kind != PE_ERR_TOO_LARGE) {
        live_session_fail_error(session, &err);
        return;
    }
    struct pe_problem problem = problem_make("input-overflow", "%s", err.message);
    live_session_fail(session, &problem);
}

/* ---- life ---- */

static void do_nothing(struct ws_server *ws)
{
    (void)ws;
}

static void export_trace(const struct live_session *session)
{
    struct span_export *spans = session->sessions->exchanges->spans;
    bool has_result = session->events.result && session->events.result->complete;
    if (!spans)
        return;
    const struct slot_record slot = {.worker = session->worker,
                                     .started_us = session->started_us,
                                     .finished_us = session->finished_us,
                                     .phase_us = has_result ? session->events.fields.phase_us : NULL};
    const struct request_record record = {.name = "interactive job",
                                          .request_id = session->id,
                                          .image = session->submission.spec.image,
                                          .status = session->log_status,
                                          .arrived_us = session->waiter.arrived_us,
                                          .slots = &slot,
                                          .slot_count = session->started_us ? 1 : 0};
    request_trace_export(&session->trace, &record, spans);
}

static void report(const struct live_session *session)
{
    const char *image = session->submission.spec.image;
    const char *status = session->log_status[0] ? session->log_status : "connection lost";
    pe_log_traced(PE_LOG_INFO, session->id, request_trace_id(&session->trace),
                  "interactive job: image %s, %s, %llu ms", image ? image : "?", status,
                  (unsigned long long)(pe_now_us() - session->waiter.arrived_us) / 1000);
    export_trace(session);
}

static void on_closed(struct ws_server *ws)
{
    struct live_session *session = from_ws(ws);
    struct exchanges *exchanges = session->sessions->exchanges;
    stop_arriving(session);
    deadline_forget(&session->deadline);
    leave_job(session);
    report(session);
    byte_budget_remove(exchanges->jobs->budget, &session->reader);
    event_encoder_free(&session->events);
    job_input_free(&session->input);
    submission_free(&session->submission);
    if (session->dialect->dispose)
        session->dialect->dispose(session);
    session->sessions->open--;
    free(session);
    exchanges->count--;
    exchanges->on_ended(exchanges->data);
}

void live_sessions_init(struct live_sessions *sessions, h2o_context_t *ctx, struct exchanges *exchanges,
                        const struct live_limits *limits)
{
    *sessions = (struct live_sessions){.exchanges = exchanges, .limits = *limits};
    ws_context_init(&sessions->ws, ctx, NULL, "client");
}

void live_session_open(struct live_sessions *sessions, const struct live_dialect *dialect,
                       const struct client_identity *who, h2o_req_t *req, const char *client_key)
{
    static const struct ws_server_events events = {on_text,    on_bytes,  on_room,
                                                   do_nothing, on_closed, on_arriving};
    struct live_session *session = h2o_mem_alloc(dialect->session_size);
    memset(session, 0, dialect->session_size);
    session->sessions = sessions;
    session->dialect = dialect;
    session->who = *who;
    session->waiter.arrived_us = session->active_us = pe_now_us();
    pe_pooled_random_hex(session->id, 16);
    event_encoder_begin(&session->events, EVENT_FRAMING_MESSAGE, session->id, dialect->write_event, session);
    session->events.is_interactive = true;
    job_input_begin(&session->input, sessions->exchanges->jobs->loop, &session->waiter);
    session->deadline.on_passed = on_deadline;
    session->deadline.at_us = session->active_us + (dialect->silent_us ? dialect->silent_us : SILENT_US);
    deadline_watch(sessions->exchanges->deadlines, &session->deadline);
    sessions->open++;
    sessions->exchanges->count++;
    http_reply_header(req, "x-request-id", session->id);
    session->waiter.trace = trace_header_begin(&session->trace, req, sessions->exchanges->spans != NULL);
    access_choose_subprotocol(req);
    ws_server_open(&session->ws, &sessions->ws, req, client_key, &events);
    ws_server_limit(&session->ws, PE_BODY_BYTES_MAX);
}
