/* SPDX-License-Identifier: Apache-2.0 */
/* What such a client says, and what it must be told: the report of the stages, frame by frame. */
#include "tests/model/connects.h"

#include "base/cleanup.h"
#include "proto/job_spec.h"
#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/choices.h"
#include "tests/model/clock.h"
#include "tests/model/dialects.h"
#include "tests/model/json_text.h"
#include "tests/model/judge.h"

#include <string.h>

enum { TYPED_MAX = 300000 }; /* bytes that such a client types */

#define INIT_US 1000000u

/* The codes with which a connection is closed. */
enum {
    CLOSE_TWICE = 4000,
    CLOSE_SILENT = 4001,
    CLOSE_ERROR = 4002,
    CLOSE_TOO_EARLY = 4003,
    CLOSE_NOT_STDIN = 4004,
    CLOSE_NO_SIGNAL = 4005,
    CLOSE_DONE = 4999,
};

static size_t total;

size_t connects_count(void)
{
    return total;
}

/* ---- the report ---- */

/* The frame of a report at some position. */
struct frame {
    char kind;
    const uint8_t *bytes;
    size_t size, arrived; /* bytes of it that are in the first bytes of the report */
};

/* Find the frame at a position, as far as it is in the first `size` bytes. False: its head is not. */
static bool find_frame(const struct report *report, size_t at, size_t size, struct frame *frame)
{
    if (at + PE_STAGE_FRAME_HEAD > size)
        return false;
    const uint8_t *head = report->bytes.data + at;
    *frame = (struct frame){.kind = (char)head[0],
                            .bytes = head + PE_STAGE_FRAME_HEAD,
                            .size = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]};
    size_t behind = size - at - PE_STAGE_FRAME_HEAD;
    frame->arrived = behind < frame->size ? behind : frame->size;
    return true;
}

static bool is_output(const struct frame *frame)
{
    return frame->kind == PE_STAGE_OUT || frame->kind == PE_STAGE_ERR;
}

/* Whether such a client can be told of a frame. Cases and checkers are not for it. */
static bool is_readable(const struct frame *frame)
{
    return is_output(frame) || frame->kind == PE_STAGE_BEGIN || frame->kind == PE_STAGE_END;
}

/* The frame of which the client is told next, as far as it has been reported. */
static bool next_frame(struct session *session, const struct run *run, size_t size, struct frame *frame)
{
    bool found = find_frame(run->report, session->frame_at, size, frame);
    while (found && is_output(frame) && session->frame_told == frame->size) {
        session->frame_at += PE_STAGE_FRAME_HEAD + frame->size;
        session->frame_told = 0;
        found = find_frame(run->report, session->frame_at, size, frame);
    }
    return found;
}

/* How much a run has reported: with its result, perhaps all of it. */
static size_t reported(const struct run *run)
{
    return run->has_result ? run->report->bytes.size : run->live[LIVE_STDOUT];
}

/* ---- what it is told ---- */

static void on_runtime(struct request *request, const json_t *message)
{
    struct watcher *watcher = request->watcher;
    char version[16];
    snprintf(version, sizeof version, "%u.0.0", 1 + request->work.image);
    EXPECT(!watcher->is_started && request->last_groups[0] && request->last_groups[0]->last_run,
           "session %u is told that it has a slot", request->number);
    EXPECT(!strcmp(text_of(message, "version"), version), "session %u is told of version %s", request->number,
           text_of(message, "version"));
    watcher->is_started = true;
}

static void on_stage(struct session *session, const struct frame *frame, const json_t *message)
{
    const char *name = text_of(message, "stage");
    EXPECT(frame->kind == PE_STAGE_BEGIN && strlen(name) == frame->size &&
               !memcmp(name, frame->bytes, frame->size),
           "session %u is told of the stage '%s'", session->request->number, name);
    session->frame_at += PE_STAGE_FRAME_HEAD + frame->size;
}

static void on_data(struct session *session, const struct frame *frame, const json_t *message)
{
    const json_t *data = json_object_get(message, "data");
    const char *stream = frame->kind == PE_STAGE_OUT ? "stdout" : "stderr";
    size_t size = json_string_length(data), left = frame->arrived - session->frame_told;
    EXPECT(is_output(frame) && !strcmp(text_of(message, "stream"), stream) && size && size <= left &&
               !memcmp(json_string_value(data), frame->bytes + session->frame_told, size),
           "session %u is sent %zu bytes of %s that were not printed there", session->request->number, size,
           text_of(message, "stream"));
    session->frame_told += size;
}

static void on_exit_told(struct session *session, const struct run *run, const struct frame *frame,
                         const json_t *message)
{
    const struct record *record = &run->report->records[session->exits++];
    const json_t *code = json_object_get(message, "code");
    bool is_last = record->ending.is_unended && run->state == RUN_COMPLETE;
    EXPECT(frame ? frame->kind == PE_STAGE_END : is_last, "session %u is told of the end of '%s'",
           session->request->number, text_of(message, "stage"));
    if (!frame)
        return;
    EXPECT(json_is_integer(code) ? record->ending.end == PE_STAGE_EXITED &&
                                       json_integer_value(code) == (json_int_t)record->ending.code
                                 : record->ending.end != PE_STAGE_EXITED,
           "session %u is told the code %lld", session->request->number, json_integer_value(code));
    session->frame_at += PE_STAGE_FRAME_HEAD + frame->size;
}

/* Something of the report of its only run. A guest that lies may have sent anything before its result. */
static void on_report(struct request *request, const char *type, const json_t *message)
{
    struct session *session = request->session;
    const struct run *run = request->last_groups[0] ? request->last_groups[0]->last_run : NULL;
    struct frame frame;
    EXPECT(run && request->watcher->is_started, "session %u is told '%s' before it has begun",
           request->number, type);
    if (run->lies)
        return;
    bool has_frame = next_frame(session, run, reported(run), &frame);
    bool is_exit = !strcmp(type, "exit");
    EXPECT(has_frame || is_exit, "session %u is told '%s', which was not reported", request->number, type);
    if (is_exit)
        on_exit_told(session, run, has_frame ? &frame : NULL, message);
    else if (!strcmp(type, "stage"))
        on_stage(session, &frame, message);
    else
        on_data(session, &frame, message);
}

void piston_session_read(struct request *request, const void *bytes, size_t size)
{
    pe_autojson json_t *message = json_loadb(bytes, size, JSON_ALLOW_NUL, NULL);
    const char *type = text_of(message, "type");
    TRACE("session %u is told '%s', %zu bytes", request->number, type, size);
    EXPECT(!request->watcher->has_ended, "session %u is told '%s' behind an error", request->number, type);
    if (!strcmp(type, "runtime"))
        on_runtime(request, message);
    else if (!strcmp(type, "stage") || !strcmp(type, "data") || !strcmp(type, "exit"))
        on_report(request, type, message);
    else
        EXPECT(!strcmp(type, "error"), "session %u is told '%s'", request->number, type);
    request->watcher->has_ended |= !strcmp(type, "error");
}

/* ---- the end ---- */

/* Whether the report of a run says nothing that such a client can be told, from some point on. */
static bool is_broken(const struct report *report)
{
    struct frame frame;
    size_t at = 0;
    while (find_frame(report, at, report->bytes.size, &frame) && is_readable(&frame))
        at += PE_STAGE_FRAME_HEAD + frame.size;
    return at != report->bytes.size || !at;
}

/* An error that is no problem: of a result that cannot be told. */
static bool has_bad_result(const struct run *run)
{
    return run && run->state == RUN_COMPLETE &&
           (run->lies || run->status == PE_STATUS_VM_ERROR || is_broken(run->report));
}

static void check_done(const struct request *request, const struct run *run)
{
    EXPECT(run && run->state == RUN_COMPLETE && !request->watcher->has_ended,
           "session %u is closed as one that is done", request->number);
    if (run->lies)
        return;
    EXPECT(!has_bad_result(run), "session %u is closed as one that is done, but is not", request->number);
    struct session at = *request->session;
    struct frame frame;
    EXPECT(!next_frame(&at, run, run->report->bytes.size, &frame) && at.exits == run->report->count,
           "session %u is closed in the middle of its report, at %zu", request->number, at.frame_at);
}

void piston_session_check_close(const struct request *request, uint16_t code)
{
    const struct session *session = request->session;
    const struct run *run = request->last_groups[0] ? request->last_groups[0]->last_run : NULL;
    TRACE("session %u is closed with %u", request->number, code);
    if (code == CLOSE_DONE)
        check_done(request, run);
    else if (code == CLOSE_ERROR)
        EXPECT(request->watcher->has_ended && (request->watcher->has_problem || has_bad_result(run)),
               "session %u is closed with an error that there is not", request->number);
    else if (code == CLOSE_SILENT)
        EXPECT(!session->has_run && clock_us - request->arrived_us >= INIT_US, "session %u is not silent",
               request->number);
    else
        EXPECT(code == session->expected_close, "session %u is closed with %u, not %u", request->number, code,
               session->expected_close);
}

void piston_session_check_sent(const struct request *request, const struct run *run)
{
    struct session at = *request->session;
    struct frame frame;
    bool has_next = !run->lies && next_frame(&at, run, run->live[LIVE_STDOUT], &frame);
    if (!has_next || !is_readable(&frame))
        return;
    bool is_complete = frame.arrived == frame.size;
    EXPECT(is_output(&frame) ? frame.arrived == at.frame_told : !is_complete,
           "run %u has reported %zu bytes, and session %u was told of %zu", run->number,
           run->live[LIVE_STDOUT], request->number, at.frame_at);
}

/* ---- what it says ---- */

static void say_json(struct request *request, json_t *message)
{
    pe_autofree char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    TRACE("session %u says %.80s", request->number, text);
    peer_say(&request->session->peer, chance(80), text, strlen(text));
}

/* Say what closes the connection with this code. */
static void say_fault(struct request *request, json_t *message, uint16_t code)
{
    struct session *session = request->session;
    bool had_ended = session->live->phase == LIVE_ENDING;
    session->expected_close = code;
    say_json(request, message);
    EXPECT(had_ended || !peer_is_heard(&session->peer), "session %u stays open", request->number);
    session->expected_close = 0;
}

static void say_init(struct request *request)
{
    struct session *session = request->session;
    request->work = (struct work){.payload = choose(PAYLOADS), .api = API_PISTON};
    json_t *message = dialect_choose_connect(request);
    if (balancer.exchanges.gathering && !request_is_known(request)) {
        json_decref(message); /* it would be let in at a time that is not known */
        return;
    }
    request->is_malformed = !request_is_known(request); /* it is refused before its limits are looked at */
    dialect_resolve(request);
    request->wait_us = options.queue_wait_us;
    request->since_us = clock_us;
    session->has_run = true;
    total++;
    judge_arrival(request);
    say_json(request, message);
    book_sync();
    judge_accepted(request);
}

static void say_data(struct request *request)
{
    struct session *session = request->session;
    size_t size = chance(10) ? choose(256) * 400 : choose(30);
    pe_autofree char *bytes = calloc(1, size + 1);
    if (!bytes || session->typed + size > TYPED_MAX)
        return;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)session_byte(request, session->typed + i);
    session->active_us = clock_us;
    session->typed += session->live->phase == LIVE_ENDING ? 0 : size;
    say_json(request, json_pack("{s:s, s:s, s:s}", "type", "data", "stream", "stdin", "data", bytes));
}

static void say_signal(struct request *request)
{
    static const char *const names[] = {"SIGINT", "SIGTERM", "SIGWINCH"};
    const char *name = names[choose(3)];
    request->session->active_us = clock_us;
    request->session->signals |= UINT64_C(1) << pe_live_signal_number(name + 3);
    say_json(request, json_pack("{s:s, s:s}", "type", "signal", "signal", name));
}

static json_t *data_for(const char *stream)
{
    return json_pack("{s:s, s:s, s:s}", "type", "data", "stream", stream, "data", "x");
}

static void say_nonsense(struct request *request)
{
    switch (choose(5)) {
    case 0:
        say_fault(request, data_for("stdout"), CLOSE_NOT_STDIN);
        break;
    case 1:
        say_fault(request, json_pack("{s:s, s:s}", "type", "signal", "signal", "SIGNONE"), CLOSE_NO_SIGNAL);
        break;
    case 2:
        say_fault(request, json_pack("{s:s}", "type", "init"), CLOSE_TWICE);
        break;
    case 3:
        request->session->expected = "malformed-request";
        say_json(request, json_array());
        request->session->expected = NULL;
        break;
    default: /* which is ignored */
        say_json(request, json_pack("{s:s}", "type", "other"));
    }
}

void piston_session_act(struct request *request)
{
    struct session *session = request->session;
    unsigned what = choose(100);
    if (!peer_is_heard(&session->peer))
        session_hang_up(request);
    else if (!session->has_run && what < 4)
        say_fault(request, data_for("stdin"), CLOSE_TOO_EARLY);
    else if (!session->has_run)
        say_init(request);
    else if (what < 75)
        say_data(request);
    else if (what < 97)
        say_signal(request);
    else
        say_nonsense(request);
}
