/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of Piston's WebSocket. They have no flow control: what a client types is kept up to a limit
 * until the program takes it. */
#include "lb/piston/connect.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/json_bounds.h"
#include "codec/json_writer.h"
#include "lb/edge/problems.h"
#include "lb/piston/reply.h"
#include "lb/piston/report_reader.h"
#include "lb/piston/request.h"
#include "proto/problem.h"
#include "proto/slot_live.h"

#include <string.h>

/* Piston's docs/api-v2.md. */
enum {
    CLOSE_ALREADY_INITIALIZED = 4000,
    CLOSE_INIT_TIMEOUT = 4001,
    CLOSE_NOTIFIED_ERROR = 4002,
    CLOSE_NOT_INITIALIZED = 4003,
    CLOSE_ONLY_STDIN = 4004,
    CLOSE_INVALID_SIGNAL = 4005,
    CLOSE_COMPLETED = 4999,
};

enum {
    INIT_US = 1000 * 1000,     /* until the first message begins, as in Piston */
    TYPED_MAX = 1024 * 1024,   /* bytes that wait until the program takes them */
    MESSAGE_VALUES_MAX = 1024, /* of a message behind the first one */
};

struct piston_session {
    struct live_session session;
    struct piston_request request;
    bool is_initialized;
    size_t gathering; /* bytes that it takes up in the queue while it waits for workers to connect; 0: it does
                         not */
    bool has_failed;  /* an error was sent */
    struct pe_buf typed;
    struct piston_report_reader report;
};

static struct piston_session *of(struct live_session *session)
{
    return pe_list_entry(session, struct piston_session, session);
}

static const struct piston_connects *connects_of(const struct live_session *session)
{
    return pe_list_entry(session->dialect, struct piston_connects, dialect);
}

static void fail(struct live_session *session, const char *what)
{
    struct pe_problem problem = problem_make("malformed-request", "%s", what);
    live_session_fail(session, &problem);
}

/* ---- what the client types ---- */

/* Pass on what fits into the window of the job. */
static void type_waiting(struct piston_session *piston)
{
    size_t on_its_way = piston->session.input.typed.size; /* what was sent and not taken is in it as well */
    size_t room = on_its_way < PE_LIVE_WINDOW ? PE_LIVE_WINDOW - on_its_way : 0;
    size_t size = piston->typed.size < room ? piston->typed.size : room;
    if (!size || piston->session.phase == LIVE_ENDING)
        return;
    live_session_type(&piston->session, piston->typed.data, size);
    pe_buf_consume(&piston->typed, size);
}

static void on_data(struct live_session *session, const json_t *message)
{
    struct piston_session *piston = of(session);
    const json_t *data = json_object_get(message, "data");
    const char *stream = json_string_value(json_object_get(message, "stream"));
    struct pe_error err;
    if (!piston->is_initialized) {
        live_session_close(session, CLOSE_NOT_INITIALIZED, "Not yet initialized");
    } else if (!stream || strcmp(stream, "stdin") != 0) {
        live_session_close(session, CLOSE_ONLY_STDIN, "Can only write to stdin");
    } else if (!json_is_string(data)) {
        fail(session, "data is required as a string");
    } else if (piston->typed.size + json_string_length(data) > TYPED_MAX) {
        fail(session, "the program does not read its input, of which 1 MiB waits already");
    } else if (pe_buf_append(&piston->typed, json_string_value(data), json_string_length(data), &err) < 0) {
        live_session_fail_error(session, &err);
    } else {
        live_session_note_input(session);
        type_waiting(piston);
    }
}

static void on_signal(struct live_session *session, const json_t *message)
{
    const char *name = json_string_value(json_object_get(message, "signal"));
    if (!of(session)->is_initialized) {
        live_session_close(session, CLOSE_NOT_INITIALIZED, "Not yet initialized");
    } else if (!name || !piston_is_signal(name)) {
        live_session_close(session, CLOSE_INVALID_SIGNAL, "Invalid signal");
    } else {
        int number = pe_live_signal_number(name + strlen("SIG"));
        live_session_note_input(session);
        if (number)
            job_input_signal(&session->input, number);
    }
}

/* ---- the job ---- */

static void stop_gathering(struct live_session *session)
{
    struct piston_session *piston = of(session);
    if (piston->gathering)
        scheduler_joined_remove(session->sessions->exchanges->jobs->scheduler, piston->gathering);
    piston->gathering = 0;
}

static void run(struct live_session *session)
{
    struct piston_session *piston = of(session);
    const struct scheduler *scheduler = session->sessions->exchanges->jobs->scheduler;
    struct pe_error err;
    if (piston_request_resolve(&piston->request, scheduler, connects_of(session)->limits,
                               &session->submission, &err) < 0) {
        live_session_fail_error(session, &err);
        return;
    }
    session->input.live.open = true;
    live_session_run(session, true);
}

/* Just after the start of the balancer, a worker with the runtime can still connect. */
static bool is_gathering(const struct live_session *session)
{
    const struct exchanges *exchanges = session->sessions->exchanges;
    const struct piston_session *piston = pe_list_entry(session, const struct piston_session, session);
    return exchanges->gathering && !piston_request_fits(&piston->request, exchanges->jobs->scheduler);
}

/* Called every 100 ms. */
static void look_for_runtime(struct live_session *session)
{
    if (is_gathering(session))
        return;
    stop_gathering(session);
    run(session);
}

/* `size`: of the message that says what is to run. */
static int gather(struct live_session *session, size_t size, struct pe_error *err)
{
    if (scheduler_joined_add(session->sessions->exchanges->jobs->scheduler, size, err) < 0)
        return -1;
    of(session)->gathering = size;
    return 0;
}

static void on_init(struct live_session *session, const uint8_t *text, size_t size)
{
    struct piston_session *piston = of(session);
    struct pe_error err;
    if (piston->is_initialized) {
        live_session_close(session, CLOSE_ALREADY_INITIALIZED, "Already Initialized");
        return;
    }
    if (piston_request_read(text, size, &piston->request, &err) < 0) {
        live_session_fail_error(session, &err);
        return;
    }
    piston->is_initialized = piston->request.is_interactive = true;
    if (is_gathering(session) && gather(session, size, &err) < 0) {
        live_session_fail_error(session, &err);
        return;
    }
    session->phase = LIVE_WAITING;
    session->on_waited = look_for_runtime;
    session->deadline.at_us = 0;
    look_for_runtime(session);
}

/* ---- messages ---- */

/* As in Piston, a message of another type is ignored. It does not prolong the time for the first message. */
static void on_message(struct live_session *session, const uint8_t *text, size_t size)
{
    json_error_t where = {.text = "out of memory"};
    struct pe_error err;
    unsigned values = of(session)->is_initialized ? MESSAGE_VALUES_MAX : PISTON_VALUES_MAX;
    if (size > PISTON_BODY_MAX || pe_json_check_bounds(text, size, values, &err) < 0) {
        fail(session, "the message is larger than a message may be; POST /v1/run takes larger files");
        return;
    }
    pe_autojson json_t *message =
        json_loadb((const char *)text, size, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &where);
    const char *type = json_string_value(json_object_get(message, "type"));
    if (!json_is_object(message))
        fail(session, "a message must be a JSON object");
    else if (type && !strcmp(type, "init"))
        on_init(session, text, size);
    else if (type && !strcmp(type, "data"))
        on_data(session, message);
    else if (type && !strcmp(type, "signal"))
        on_signal(session, message);
    else if (session->phase == LIVE_SILENT)
        session->deadline.at_us = session->waiter.arrived_us + INIT_US;
}

/* ---- events ---- */

static int write_runtime(const struct piston_session *piston, struct pe_buf *out, struct pe_error *err)
{
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "type", "runtime");
    pe_json_append_text(&writer, "language", piston->request.language);
    pe_json_append_text(&writer, "version", piston->request.version);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

static int write_error(struct piston_session *piston, const char *what, struct pe_buf *out,
                       struct pe_error *err)
{
    struct pe_json_writer writer = pe_json_write(out, err);
    piston->has_failed = true;
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "type", "error");
    pe_json_append_text(&writer, "message", what);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

static int write_output(struct piston_session *piston, const struct event *event, struct pe_buf *out,
                        struct pe_error *err)
{
    struct pe_cursor bytes = event->bytes;
    if (event->stream !=
        LIVE_STDOUT) /* the report is the job's stdout, and its stderr says nothing to a client */
        return 0;
    if (piston_report_read(&piston->report, &bytes, out, err) < 0)
        return -1;
    *event->used = event->bytes.left - bytes.left;
    return 0;
}

static int write_result(struct piston_session *piston, const struct pe_result *fields, struct pe_buf *out,
                        struct pe_error *err)
{
    struct pe_error broken;
    if (fields->status == PE_STATUS_VM_ERROR)
        return write_error(piston, fields->reason[0] ? fields->reason : "the VM failed", out, err);
    if (piston_report_end(&piston->report, fields, out, &broken) < 0)
        return write_error(piston, broken.message, out, err);
    return 0;
}

static int write_event(void *context, const struct event *event, struct pe_buf *out, struct pe_error *err)
{
    struct piston_session *piston = of(context);
    switch (event->kind) {
    case EVENT_STARTED:
        return write_runtime(piston, out, err);
    case EVENT_OUTPUT:
        return write_output(piston, event, out, err);
    case EVENT_TAKEN:
        type_waiting(piston);
        return 0;
    case EVENT_RESULT:
        return write_result(piston, event->fields, out, err);
    case EVENT_PROBLEM:
        return write_error(piston, event->problem->detail, out, err);
    case EVENT_QUEUED:
    case EVENT_RESTARTED:
    case EVENT_RUN:
    case EVENT_PART:
        break;
    }
    return 0;
}

static uint16_t close_code(const struct live_session *session, const char **reason)
{
    bool failed = pe_list_entry(session, struct piston_session, session)->has_failed;
    *reason = failed ? "Notified Error" : "Job Completed";
    return failed ? CLOSE_NOTIFIED_ERROR : CLOSE_COMPLETED;
}

static void dispose(struct live_session *session)
{
    struct piston_session *piston = of(session);
    stop_gathering(session);
    piston_request_free(&piston->request);
    piston_report_reader_free(&piston->report);
    pe_buf_free(&piston->typed);
}

/* ---- connections ---- */

void piston_connects_init(struct piston_connects *connects, struct live_sessions *sessions,
                          const struct pe_runtime_limits *limits)
{
    *connects = (struct piston_connects){.dialect = {.session_size = sizeof(struct piston_session),
                                                     .on_text = on_message,
                                                     .on_bytes = on_message,
                                                     .silent_us = INIT_US,
                                                     .silent_code = CLOSE_INIT_TIMEOUT,
                                                     .silent_reason = "Initialization Timeout",
                                                     .write_event = write_event,
                                                     .close_code = close_code,
                                                     .dispose = dispose},
                                         .sessions = sessions,
                                         .limits = limits};
}

void piston_connect(struct piston_connects *connects, const struct client_identity *who, h2o_req_t *req,
                    const char *client_key)
{
    live_session_open(connects->sessions, &connects->dialect, who, req, client_key);
}
