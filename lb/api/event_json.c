/* SPDX-License-Identifier: Apache-2.0 */
/* The events of the service's own API, each a JSON object. Bytes that are not UTF-8 are base64. */
#include "lb/api/event_encoder.h"

#include "base/cleanup.h"
#include "codec/json_text.h"
#include "codec/json_writer.h"
#include "lb/api/result_encoder.h"
#include "proto/job_spec.h"
#include "proto/slot_live.h"

static const char *const stream_names[LIVE_STREAMS] = {"stdout", "stderr"};

const char *event_json_name(const struct event *event)
{
    static const char *const names[] = {
        [EVENT_QUEUED] = "queued",       [EVENT_STARTED] = "started", [EVENT_TAKEN] = "taken",
        [EVENT_RESTARTED] = "restarted", [EVENT_RESULT] = "result",   [EVENT_PROBLEM] = "problem"};
    if (event->kind == EVENT_RUN)
        return event->is_case ? "case" : "stage";
    return event->kind == EVENT_OUTPUT ? stream_names[event->stream] : names[event->kind];
}

static int append_output(const struct event *event, struct pe_buf *out, struct pe_error *err)
{
    struct pe_cursor bytes = event->bytes;
    if (pe_buf_printf(out, err, "{\"type\":\"%s\",\"%s\":\"", event_json_name(event),
                      event->is_text ? "text" : "base64") < 0 ||
        (event->is_text ? pe_json_append_escaped(out, &bytes, SIZE_MAX, err)
                        : pe_json_append_base64(out, &bytes, SIZE_MAX, err)) < 0)
        return -1;
    return pe_buf_append_text(out, "\"}", err);
}

/* The problem is an object of its own (RFC 9457), since it has a member `type` as well. */
static int append_problem(const struct pe_problem *problem, struct pe_buf *out, struct pe_error *err)
{
    pe_autojson json_t *json = pe_problem_to_json(problem);
    pe_autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for a problem");
    return pe_buf_printf(out, err, "{\"type\":\"problem\",\"problem\":%s}", text);
}

static void append_members(struct pe_json_writer *writer, const struct event *event)
{
    switch (event->kind) {
    case EVENT_QUEUED:
        pe_json_append_text(writer, "id", event->id);
        break;
    case EVENT_STARTED:
        if (event->is_interactive)
            pe_json_append_number(writer, "input_window", PE_LIVE_WINDOW);
        break;
    case EVENT_TAKEN:
        pe_json_append_number(writer, "bytes", event->taken);
        break;
    case EVENT_RESTARTED:
        pe_json_append_text(writer, "reason", event->reason);
        break;
    case EVENT_RESULT:
        pe_result_append_members(event->fields, writer);
        pe_json_append_members(writer, event->result->summary.data, event->result->summary.size);
        break;
    default:
        break;
    }
}

int event_json_write(void *context, const struct event *event, struct pe_buf *out, struct pe_error *err)
{
    (void)context;
    if (event->kind == EVENT_OUTPUT)
        return append_output(event, out, err);
    if (event->kind == EVENT_PROBLEM)
        return append_problem(event->problem, out, err);
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "type", event_json_name(event));
    append_members(&writer, event);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

/* ---- parts ---- */

const char *event_json_part_name(const struct pe_part *part)
{
    return part->kind == PE_PART_FILE ? "file" : part->kind == PE_PART_FOLDER ? "folder" : "combined";
}

int event_json_append_part_head(struct pe_buf *out, const struct pe_part *part, bool is_text,
                                struct pe_error *err)
{
    bool is_named = part->kind == PE_PART_FILE || part->kind == PE_PART_FOLDER;
    if (pe_buf_printf(out, err, "{\"type\":\"%s\"", event_json_part_name(part)) < 0)
        return -1;
    if (is_named &&
        (pe_buf_append_text(out, ",", err) < 0 || result_json_append_attributes(out, part, err) < 0))
        return -1;
    if (part->kind == PE_PART_FOLDER)
        return 0;
    return pe_buf_append_text(out, is_text ? ",\"text\":\"" : ",\"base64\":\"", err);
}

int event_json_append_part_tail(struct pe_buf *out, const struct pe_part *part, struct pe_error *err)
{
    return pe_buf_append_text(out, part->kind == PE_PART_FOLDER ? "}" : "\"}", err);
}
