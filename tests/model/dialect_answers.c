/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of answers: Piston's stages, and messages of the Model Context Protocol. */
#include "tests/model/dialects.h"

#include "proto/job_spec.h"
#include "tests/model/book.h"
#include "tests/model/json_text.h"
#include "tests/model/judge.h"
#include "tests/model/output.h"

#include <string.h>

enum { STREAM_MAX = 65536 }; /* a longer stream is shortened for agents */

static json_t *parse(const struct request *request, const void *bytes, size_t size)
{
    json_t *json = json_loadb(bytes, size, JSON_ALLOW_NUL, NULL);
    EXPECT(json_is_object(json), "request %u is answered with '%.*s'", request->number,
           (int)(size < 200 ? size : 200), (const char *)bytes);
    return json;
}

/* ---- problems ---- */

/* 404 and 422 are bad requests for Piston. */
static void check_piston_problem(const struct request *request, const json_t *json)
{
    const struct pe_problem *problem = &request->in_mind;
    int status = problem->status == 404 || problem->status == 422 ? 400 : problem->status;
    EXPECT(request->req.res.status == status, "request %u is answered with the status %d", request->number,
           request->req.res.status);
    EXPECT(json_object_size(json) == 1 && !strcmp(text_of(json, "message"), problem->detail),
           "request %u gets the message '%s'", request->number, text_of(json, "message"));
}

/* What is common to all responses: the result of the call. */
static const json_t *result_of(const struct request *request, const json_t *message)
{
    const json_t *id = json_object_get(message, "id");
    EXPECT(json_is_integer(id) && json_integer_value(id) == request->number,
           "the response to request %u has the id %lld", request->number, json_integer_value(id));
    EXPECT(!strcmp(text_of(message, "jsonrpc"), "2.0") && !json_object_get(message, "error"),
           "request %u gets an error of the protocol", request->number);
    return json_object_get(message, "result");
}

static void check_mcp_problem(const struct request *request, const json_t *message, const char *detail)
{
    const json_t *result = result_of(request, message);
    const char *text = text_of(json_array_get(json_object_get(result, "content"), 0), "text");
    EXPECT(json_is_true(json_object_get(result, "isError")) && strstr(text, detail),
           "request %u gets the text '%s', which does not say: %s", request->number, text, detail);
}

void dialect_read_problem(struct request *request, const char *body, size_t size)
{
    struct pe_error err;
    EXPECT(request->has_in_mind, "request %u is answered with '%.*s', which is no problem", request->number,
           (int)size, body);
    judge_before_problem(&request->in_mind);
    json_t *json = parse(request, body, size);
    if (request->work.api == API_PISTON)
        check_piston_problem(request, json);
    else
        check_mcp_problem(request, json, request->in_mind.detail);
    EXPECT(request->work.api == API_PISTON || request->req.res.status == 200,
           "request %u is answered with the status %d", request->number, request->req.res.status);
    json_t *problem = pe_problem_to_json(&request->in_mind);
    char *text = json_dumps(problem, JSON_COMPACT);
    if (!text || pe_buf_append_text(&request->problem_text, text, &err) < 0)
        abort();
    free(text);
    json_decref(problem);
    json_decref(json);
}

/* ---- Piston ---- */

/* The stages that the report of a run has, as far as it is one that a client is told of. */
static unsigned count_stages(const struct report *report, unsigned wanted)
{
    bool fits = !report->is_broken && report->count >= 1 && report->count <= wanted;
    for (unsigned i = 0; fits && i < report->count; i++)
        fits = !report->records[i].is_case && report->records[i].index == i && !report->records[i].checks;
    return fits ? report->count : 0;
}

/* The word for how a stage has ended, or "" for a success (docs/piston.md). `record`: NULL if it is not
 * known. */
static const char *status_of(const struct record *record, enum pe_status job)
{
    const struct ending *ending = record ? &record->ending : NULL;
    static const char *const words[] = {
        [PE_STAGE_EXITED] = "",   [PE_STAGE_SIGNALED] = "SG", [PE_STAGE_WALL] = "TO",
        [PE_STAGE_CPU] = "TO",    [PE_STAGE_STDOUT] = "OL",   [PE_STAGE_STDERR] = "EL",
        [PE_STAGE_FAILED] = "XX", [PE_STAGE_SKIPPED] = "XX"};
    if (!ending || ending->is_unended)
        return job == PE_STATUS_TIMEOUT                            ? "TO"
               : job == PE_STATUS_OOM || job == PE_STATUS_SIGNALED ? "SG"
                                                                   : "XX";
    return ending->end == PE_STAGE_EXITED && ending->code ? "RE" : words[ending->end];
}

static void check_stage(const struct request *request, const struct run *run, const char *name,
                        const struct record *record, const json_t *stage)
{
    const char *expected = status_of(record, run->status), *out = text_of(stage, "stdout");
    EXPECT(!strcmp(text_of(stage, "status"), expected),
           "the stage %s of request %u has the status '%s', not '%s'", name, request->number,
           text_of(stage, "status"), expected);
    bool is_silent =
        !record || record->ending.end == PE_STAGE_SKIPPED || record->ending.end == PE_STAGE_FAILED;
    const char *printed = is_silent ? "" : record->is_right ? "right\n" : "wrong\n";
    EXPECT(!strncmp(out, printed, strlen(printed)) &&
               strlen(out) == strlen(printed) + (is_silent ? 0 : record->padding),
           "the stage %s of request %u has printed %zu bytes", name, request->number, strlen(out));
    EXPECT(is_silent ? !*text_of(stage, "stderr")
                     : report_find_marked(run->report, run->number, text_of(stage, "stderr")) == record,
           "the stage %s of request %u is another one: '%s'", name, request->number,
           text_of(stage, "stderr"));
}

static void check_piston_result(const struct request *request, const struct run *run, const json_t *json)
{
    const unsigned wanted = plans[request->work.plan].once;
    const struct report *report = run->report;
    const unsigned count = count_stages(report, wanted);
    const struct record *first = count ? &report->records[0] : NULL;
    const struct record *last = count ? &report->records[count - 1] : NULL;
    char version[16];
    snprintf(version, sizeof version, "%u.0.0", 1 + request->work.image);
    EXPECT(!strcmp(text_of(json, "version"), version), "request %u ran with the version %s", request->number,
           text_of(json, "version"));
    check_stage(request, run, "run", last, json_object_get(json, "run"));
    const json_t *compile = json_object_get(json, "compile");
    EXPECT((compile != NULL) == (wanted == 2), "the stage compile of request %u", request->number);
    if (compile)
        check_stage(request, run, "compile", first, compile);
}

/* ---- the Model Context Protocol ---- */

static bool is_whole_text(const struct run *run, enum live_stream stream)
{
    return run->sizes[stream] <= STREAM_MAX && (stream == LIVE_STDOUT || run->number % 3 < 2);
}

static void check_stream(const struct request *request, const struct run *run, enum live_stream stream,
                         const json_t *text)
{
    pe_autobuf struct pe_buf printed = {0};
    if (!is_whole_text(run, stream))
        return;
    output_append(run, stream, 0, run->sizes[stream], &printed);
    EXPECT(json_string_length(text) == printed.size &&
               (!printed.size || !memcmp(json_string_value(text), printed.data, printed.size)),
           "request %u gets another stream %d than run %u has printed", request->number, (int)stream,
           run->number);
}

const struct run *mcp_find_run(const struct request *request, const json_t *message)
{
    const json_t *content = json_object_get(result_of(request, message), "structuredContent");
    const json_t *out = json_object_get(content, "stdout"), *error = json_object_get(content, "stderr");
    const struct run *run = judge_find_run((const uint8_t *)json_string_value(out), json_string_length(out));
    EXPECT(run, "request %u gets a result of no run", request->number);
    EXPECT(!strcmp(text_of(content, "status"), pe_status_name(run->status)), "request %u gets the status %s",
           request->number, text_of(content, "status"));
    EXPECT(!json_is_true(json_object_get(result_of(request, message), "isError")), "request %u gets an error",
           request->number);
    check_stream(request, run, LIVE_STDOUT, out);
    check_stream(request, run, LIVE_STDERR, error);
    return run;
}

/* Which stream a message is from is not told. If both could have printed it, the streams of this client are
 * not compared any more. */
static json_t *read_output(struct request *request, const char *text, size_t size)
{
    struct watcher *watcher = request->watcher;
    const struct run *run = request->last_groups[0] ? request->last_groups[0]->last_run : NULL;
    bool fits[LIVE_STREAMS];
    EXPECT(run, "request %u is sent output, and has no job", request->number);
    /* A program that was lost may have printed half of a character. */
    watcher->is_loose |= run->lies || !output_is_text(run, LIVE_STDERR) || watcher->has_problem;
    if (watcher->is_loose)
        return json_object();
    for (int i = 0; i < LIVE_STREAMS; i++) {
        fits[i] = true;
        for (size_t at = 0; at < size && fits[i]; at++)
            fits[i] = output_allows(run, (enum live_stream)i, watcher->seen[i].size + at, (uint8_t)text[at]);
    }
    EXPECT(fits[LIVE_STDOUT] || fits[LIVE_STDERR], "request %u is sent output that run %u has not printed",
           request->number, run->number);
    watcher->is_loose = fits[LIVE_STDOUT] && fits[LIVE_STDERR];
    if (watcher->is_loose)
        return json_object();
    return json_pack("{s:s, s:s%}", "stream", fits[LIVE_STDOUT] ? "stdout" : "stderr", "text", text, size);
}

static const char *read_progress(struct request *request, const json_t *params, json_t **event)
{
    struct watcher *watcher = request->watcher;
    const json_t *text = json_object_get(params, "message");
    const char *message = json_string_value(text);
    json_int_t progress = json_integer_value(json_object_get(params, "progress"));
    EXPECT(!strcmp(text_of(params, "progressToken"), "token") && message, "a notification of request %u",
           request->number);
    EXPECT(progress > watcher->progress, "the progress of request %u goes from %lld to %lld", request->number,
           (long long)watcher->progress, progress);
    watcher->progress = progress;
    *event = NULL;
    if (!strncmp(message, "The job waits", 13))
        *event = json_pack("{s:s}", "id", request->exchange->id);
    else if (strncmp(message, "The program runs", 16) != 0 && strncmp(message, "The VM was lost", 15) != 0)
        *event = read_output(request, message, json_string_length(text));
    if (!*event)
        return message[4] == 'p' ? "started" : "restarted";
    const char *stream = text_of(*event, "stream");
    return json_object_get(*event, "id") ? "queued"
           : !*stream                    ? "output"
           : !strcmp(stream, "stdout")   ? "stdout"
                                         : "stderr";
}

const char *mcp_read_event(struct request *request, const json_t *message, json_t **event)
{
    if (!strcmp(text_of(message, "method"), "notifications/progress"))
        return read_progress(request, json_object_get(message, "params"), event);
    *event = json_incref((json_t *)message);
    if (!request->watcher->has_problem)
        return "result";
    json_t *problem =
        json_loadb((const char *)request->problem_text.data, request->problem_text.size, 0, NULL);
    check_mcp_problem(request, message, text_of(problem, "detail"));
    json_decref(problem);
    return "problem";
}

/* ---- complete responses ---- */

void dialect_check_result(const struct request *request)
{
    const struct run *run = request->last_groups[0] ? request->last_groups[0]->last_run : NULL;
    json_t *json = parse(request, request->response.data, request->response.size);
    EXPECT(run, "request %u gets a result, and had no job", request->number);
    if (request->work.api == API_PISTON)
        check_piston_result(request, run, json);
    else
        run = mcp_find_run(request, json);
    judge_event_result((struct request *)request, run, false);
    json_decref(json);
}
