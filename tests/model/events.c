/* SPDX-License-Identifier: Apache-2.0 */
/* Reading events, and checking each of them when the balancer sends it. */
#include "tests/model/events.h"

#include "codec/base64.h"
#include "tests/model/cases.h"
#include "tests/model/clock.h"
#include "tests/model/dialects.h"
#include "tests/model/judge.h"
#include "tests/model/output.h"

#include <jansson.h>
#include <string.h>

enum {
    EVENT_OUTPUT_MAX = 32 * 1024,
    CHARACTER_MAX = 4,
};

#define SILENCE_US 10002000u /* after which a sign of life is overdue */

static size_t total;

struct watcher *watcher_make(enum event_framing framing)
{
    struct watcher *watcher = calloc(1, sizeof *watcher);
    if (!watcher)
        abort();
    watcher->framing = framing;
    return watcher;
}

void watcher_free(struct watcher *watcher)
{
    if (!watcher)
        return;
    pe_buf_free(&watcher->unparsed);
    free(watcher->cases);
    for (int i = 0; i < LIVE_STREAMS; i++)
        pe_buf_free(&watcher->seen[i]);
    free(watcher);
}

size_t events_count(void)
{
    return total;
}

/* ---- output ---- */

static void append(struct pe_buf *to, const void *bytes, size_t size)
{
    struct pe_error err;
    if (pe_buf_append(to, bytes, size, &err) < 0)
        abort();
}

/* Compare what was seen of a stream, from a position on, with what the run prints. */
static void check_bytes(const struct request *request, const struct run *run, enum live_stream stream,
                        size_t from)
{
    const struct pe_buf *seen = &request->watcher->seen[stream];
    for (size_t at = from; at < seen->size; at++)
        EXPECT(output_allows(run, stream, at, seen->data[at]),
               "request %u is sent a byte of stream %d at %zu that run %u has not printed", request->number,
               (int)stream, at, run->number);
}

/* The run that prints for a request now; NULL: its result is known. A session has only one run that prints,
 * and is told of all that it has printed even if it was lost. */
static const struct run *printing_run(const struct request *request)
{
    if (request->session)
        return request->last_groups[0]->last_run;
    EXPECT(!request_group(request) || request_group(request)->run,
           "request %u is sent output, but its job does not run", request->number);
    return request_group(request) ? request_group(request)->run : NULL;
}

static void take_output(struct request *request, enum live_stream stream, const void *bytes, size_t size,
                        bool is_text)
{
    struct pe_buf *seen = &request->watcher->seen[stream];
    const struct run *run = printing_run(request);
    size_t before = seen->size;
    EXPECT(!request->work.plan, "request %u is sent the report of its stages", request->number);
    EXPECT(request->watcher->is_started, "request %u is sent output before 'started'", request->number);
    EXPECT(size > 0 && size <= EVENT_OUTPUT_MAX, "request %u is sent %zu bytes of output", request->number,
           size);
    append(seen, bytes, size);
    if (!run)
        return;
    check_bytes(request, run, stream, before);
    /* A program that was lost may have printed half of a character. */
    EXPECT(is_text || !output_is_text(run, stream) || request->watcher->has_problem,
           "text of run %u is sent as base64", run->number);
}

static void on_output(struct request *request, enum live_stream stream, const json_t *event)
{
    struct pe_error err;
    const json_t *text = json_object_get(event, "text"), *base64 = json_object_get(event, "base64");
    EXPECT(!text != !base64, "output of request %u is neither text nor base64", request->number);
    if (text) {
        take_output(request, stream, json_string_value(text), json_string_length(text), true);
        return;
    }
    size_t size = 0;
    uint8_t *bytes = pe_base64_decode(json_string_value(base64), json_string_length(base64), &size, &err);
    EXPECT(bytes, "output of request %u is not base64", request->number);
    take_output(request, stream, bytes, size, false);
    free(bytes);
}

/* ---- the other events ---- */

static void on_queued(struct request *request, const json_t *event)
{
    struct watcher *watcher = request->watcher;
    const char *id = json_string_value(json_object_get(event, "id"));
    EXPECT(!watcher->is_queued, "request %u is told twice that it is queued", request->number);
    const char *own = request->session ? request->session->live->id : request->exchange->id;
    EXPECT(id && !strcmp(id, own), "request %u is told the id %s", request->number, id ? id : "of nobody");
    watcher->is_queued = true;
}

/* Whether something of a request has run, or has its result. */
static bool has_begun(const struct request *request)
{
    bool has = false;
    for (unsigned part = 0; part < plan_parts(request->work.plan); part++) {
        const struct group *group = request->groups[part];
        has |= !group || group->run || (request->work.plan && group->last_run);
    }
    return has;
}

static void on_started(struct request *request, const json_t *event)
{
    struct watcher *watcher = request->watcher;
    json_int_t window = json_integer_value(json_object_get(event, "input_window"));
    EXPECT(window == (request->session ? PE_LIVE_WINDOW : 0), "request %u is told of a window of %lld bytes",
           request->number, (long long)window);
    EXPECT(!watcher->is_started, "request %u is told twice that it has started", request->number);
    EXPECT(request->session || !request_group(request) || has_begun(request),
           "request %u is told that it has started, and it waits", request->number);
    watcher->is_started = true;
}

/* Bytes of its input that the program has taken. */
static void on_taken(struct request *request, const json_t *event)
{
    struct session *session = request->session;
    EXPECT(session && request->last_groups[0], "request %u is told that input was taken", request->number);
    session->told += (size_t)json_integer_value(json_object_get(event, "bytes"));
    EXPECT(session->told <= request->last_groups[0]->last_run->input_taken,
           "session %u is told that %zu bytes were taken", request->number, session->told);
}

static void on_restarted(struct request *request)
{
    struct watcher *watcher = request->watcher;
    EXPECT(watcher->must_restart, "request %u starts again for no reason", request->number);
    watcher->must_restart = watcher->is_started = false;
    for (int i = 0; i < LIVE_STREAMS; i++)
        watcher->seen[i].size = 0;
}

static void check_complete(const struct request *request, const struct run *run, enum live_stream stream)
{
    size_t size = request->watcher->seen[stream].size;
    check_bytes(request, run, stream, 0);
    EXPECT(run->lies ? size >= run->sizes[stream] : size == run->sizes[stream],
           "request %u has got %zu bytes of stream %d, and run %u has printed %zu", request->number, size,
           (int)stream, run->number, run->sizes[stream]);
}

static void on_result(struct request *request, const json_t *event)
{
    struct watcher *watcher = request->watcher;
    const struct pe_buf *text = &watcher->seen[LIVE_STDOUT];
    bool has_plan = request->work.plan > 0, is_mcp = request->work.api == API_MCP;
    const struct run *run = has_plan ? cases_find_run(event)
                            : is_mcp ? mcp_find_run(request, event)
                                     : judge_find_begun(text->data, text->size);
    bool is_complete = run && !has_plan && !watcher->is_loose && !(is_mcp && run->lies);
    EXPECT(watcher->is_started, "request %u is sent a result before 'started'", request->number);
    if (plan_parts(request->work.plan) > 1) {
        cases_check_parts(request, event);
        watcher->has_ended = true;
        return;
    }
    judge_event_result(request, run, json_is_true(json_object_get(event, "cached")));
    if (has_plan)
        cases_check_result(request, run, event);
    for (int i = 0; i < LIVE_STREAMS && is_complete; i++)
        check_complete(request, run, (enum live_stream)i);
    watcher->has_ended = true;
}

static void on_problem(struct request *request)
{
    struct watcher *watcher = request->watcher;
    EXPECT(watcher->has_problem, "request %u is told of a problem that there is not", request->number);
    watcher->has_ended = true;
}

static void on_event(struct request *request, const char *type, const json_t *event)
{
    const struct watcher *watcher = request->watcher;
    bool is_queued = !strcmp(type, "queued"), is_restarted = !strcmp(type, "restarted");
    EXPECT(watcher->is_queued || is_queued, "the first event of request %u is '%s'", request->number, type);
    EXPECT(!watcher->must_restart || is_queued || is_restarted,
           "request %u is sent '%s' of a try that was lost", request->number, type);
    EXPECT(!watcher->has_ended, "request %u is sent '%s' behind the end", request->number, type);
    if (is_queued)
        on_queued(request, event);
    else if (is_restarted)
        on_restarted(request);
    else if (!strcmp(type, "started"))
        on_started(request, event);
    else if (!strcmp(type, "stdout"))
        on_output(request, LIVE_STDOUT, event);
    else if (!strcmp(type, "stderr"))
        on_output(request, LIVE_STDERR, event);
    else if (!strcmp(type, "taken"))
        on_taken(request, event);
    else if (!strcmp(type, "stage") || !strcmp(type, "case"))
        cases_on_event(request, !strcmp(type, "case"), event);
    else if (!strcmp(type, "result"))
        on_result(request, event);
    else
        EXPECT(!strcmp(type, "problem") || (!strcmp(type, "output") && request->work.api == API_MCP),
               "request %u is sent an event '%s'", request->number, type);
    if (!strcmp(type, "problem"))
        on_problem(request);
}

static void read_event(struct request *request, const char *name, const char *text, size_t size)
{
    json_error_t fault;
    json_t *event = json_loadb(text, size, JSON_ALLOW_NUL, &fault);
    const char *type = NULL;
    if (request->work.api == API_MCP) {
        json_t *message = event;
        type = mcp_read_event(request, message, &event);
        json_decref(message);
    } else {
        type = json_string_value(json_object_get(event, "type"));
    }
    EXPECT(type, "an event of request %u is '%.*s': %s", request->number, (int)size, text, fault.text);
    EXPECT(!*name || !strcmp(name, type), "an event '%s' has the type '%s'", name, type);
    TRACE("request %u is told '%s', %zu bytes", request->number, type, size);
    request->watcher->count++;
    total++;
    on_event(request, type, event);
    json_decref(event);
}

/* ---- frames ---- */

/* One event between empty lines: a comment, or two lines. */
static void read_block(struct request *request, const char *block, size_t size)
{
    char name[16] = "";
    if (size && block[0] == ':')
        return;
    if (request->watcher->framing == EVENT_FRAMING_DATA) {
        EXPECT(size > 6 && !strncmp(block, "data: ", 6) && !memchr(block, '\n', size),
               "request %u is sent '%.*s'", request->number, (int)size, block);
        read_event(request, "", block + 6, size - 6);
        return;
    }
    const char *end = memchr(block, '\n', size);
    EXPECT(end && !strncmp(block, "event: ", 7) && (size_t)(end - block) - 7 < sizeof name &&
               !strncmp(end + 1, "data: ", 6),
           "request %u is sent '%.*s'", request->number, (int)size, block);
    memcpy(name, block + 7, (size_t)(end - block) - 7);
    const char *data = end + 7;
    EXPECT(!memchr(data, '\n', (size_t)(block + size - data)), "an event has several lines of data");
    read_event(request, name, data, (size_t)(block + size - data));
}

/* The size of the first frame without its end; SIZE_MAX: it is not complete. */
static size_t frame_size(const struct watcher *watcher)
{
    const char *end = watcher->framing == EVENT_FRAMING_LINES ? "\n" : "\n\n";
    const struct pe_buf *bytes = &watcher->unparsed;
    const uint8_t *found = bytes->size ? memmem(bytes->data, bytes->size, end, strlen(end)) : NULL;
    return found ? (size_t)(found - bytes->data) : SIZE_MAX;
}

void events_read(struct request *request, const void *bytes, size_t size)
{
    struct watcher *watcher = request->watcher;
    bool is_lines = watcher->framing == EVENT_FRAMING_LINES;
    append(&watcher->unparsed, bytes, size);
    for (size_t end = frame_size(watcher); end != SIZE_MAX; end = frame_size(watcher)) {
        const char *frame = (const char *)watcher->unparsed.data;
        if (is_lines && end)
            read_event(request, "", frame, end);
        else if (!is_lines)
            read_block(request, frame, end);
        pe_buf_consume(&watcher->unparsed, end + (is_lines ? 1 : 2));
    }
}

void events_read_message(struct request *request, const void *bytes, size_t size)
{
    read_event(request, "", bytes, size);
}

/* ---- the end, and in between ---- */

void events_check_end(const struct request *request)
{
    const struct watcher *watcher = request->watcher;
    EXPECT(watcher->has_ended && !watcher->unparsed.size, "the events of request %u end without a result",
           request->number);
}

/* What is not in memory comes with the result. A guest that lies may have printed more than its result has,
 * which counts as soon as it arrives. */
static void check_sent(const struct request *request, const struct run *run, enum live_stream stream)
{
    const struct live_output *live = request_group(request)->job->live;
    size_t seen = request->watcher->seen[stream].size;
    EXPECT(live || !run->live[stream], "the output of run %u is not kept", run->number);
    if (!live || live->is_incomplete[stream])
        return;
    size_t printed = run->live[stream];
    if (run->lies && printed > run->sizes[stream])
        printed = run->sizes[stream];
    EXPECT(seen + CHARACTER_MAX > printed, "run %u has printed %zu bytes, and request %u has got %zu of them",
           run->number, run->live[stream], request->number, seen);
}

void events_check_output(const struct request *request, const struct run *run)
{
    bool is_certain = !request->work.api || (!run->lies && output_is_text(run, LIVE_STDERR));
    for (int i = 0; i < LIVE_STREAMS && is_certain && !request->watcher->is_loose; i++)
        check_sent(request, run, (enum live_stream)i);
}

void events_check_rest(const struct request *request)
{
    const struct watcher *watcher = request->watcher;
    const struct run *run = request_group(request) ? request_group(request)->run : NULL;
    uint64_t since_us = request->read_us > request->sent_us ? request->read_us : request->sent_us;
    if (!request->started || request->in_flight || h2o_timeout_is_linked(&request->exchange->tick_entry))
        return;
    EXPECT(clock_us - since_us <= SILENCE_US, "request %u hears nothing for %llu ms", request->number,
           (unsigned long long)(clock_us - since_us) / 1000);
    EXPECT(!watcher->has_problem || watcher->has_ended, "request %u is not told of its problem",
           request->number);
    EXPECT(watcher->is_queued && !watcher->must_restart, "request %u is not told that its job starts again",
           request->number);
    if (request->work.plan)
        cases_check_rest(request);
    if (!run)
        return;
    EXPECT(watcher->is_started, "request %u is not told that its job has started", request->number);
    if (!request->work.plan)
        events_check_output(request, run);
}
