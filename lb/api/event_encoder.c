/* SPDX-License-Identifier: Apache-2.0 */
/* Which event comes next, and its frame. The texts of events are event_json.c's part. */
#include "lb/api/event_encoder.h"

#include "base/utf8.h"
#include "codec/json_text.h"
#include "codec/utf8_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a stream in one event: in the worst case, each needs six characters. */
enum { OUTPUT_MAX = 32 * 1024 };

void event_encoder_begin(struct event_encoder *encoder, enum event_framing framing, const char *id,
                         event_writer *write, void *context)
{
    *encoder = (struct event_encoder){
        .framing = framing, .id = id, .write = write ? write : event_json_write, .context = context};
}

/* ---- what has happened ---- */

void event_encoder_start(struct event_encoder *encoder)
{
    encoder->must_start = true;
}

void event_encoder_set_live(struct event_encoder *encoder, struct live_output *live)
{
    if (encoder->live == live)
        return;
    live_output_unref(encoder->live);
    encoder->live = live_output_ref(live);
}

void event_encoder_note_taken(struct event_encoder *encoder, uint64_t bytes)
{
    encoder->taken += bytes;
}

int event_encoder_add_run(struct event_encoder *encoder, bool is_case, struct pe_json_pieces *text,
                          struct pe_error *err)
{
    if (encoder->write != event_json_write) {
        pe_json_pieces_free(text);
        return 0;
    }
    struct event_run *run = calloc(1, sizeof *run);
    if (!run)
        return pe_fail_errno(err, "the event of a run");
    *run = (struct event_run){.is_case = is_case, .bytes = pe_json_pieces_bytes(text), .text = *text};
    *text = (struct pe_json_pieces){0};
    *(encoder->last_run ? &encoder->last_run->next : &encoder->first_run) = run;
    encoder->last_run = run;
    encoder->runs_bytes += run->bytes;
    encoder->must_start = true; /* the report of a stored result may be read before it is a result */
    return 0;
}

static void drop_first_run(struct event_encoder *encoder)
{
    struct event_run *run = encoder->first_run;
    encoder->first_run = run->next;
    if (!run->next)
        encoder->last_run = NULL;
    encoder->runs_bytes -= run->bytes;
    pe_json_pieces_free(&run->text);
    free(run);
}

static void drop_output(struct event_encoder *encoder)
{
    live_output_unref(encoder->live);
    job_result_unref(encoder->result);
    encoder->live = NULL;
    encoder->result = NULL;
}

void event_encoder_set_result(struct event_encoder *encoder, struct job_result *result,
                              const struct pe_result *fields)
{
    job_result_unref(encoder->result);
    encoder->result = job_result_ref(result);
    encoder->fields = *fields;
    encoder->must_start = true;
}

/* An event that has begun is completed first: parts are sent only when nothing can be lost any more. */
void event_encoder_restart(struct event_encoder *encoder, const char *reason)
{
    drop_output(encoder);
    memset(encoder->position, 0, sizeof encoder->position);
    encoder->must_restart = true;
    encoder->must_start = false;
    snprintf(encoder->restart_reason, sizeof encoder->restart_reason, "%s", reason);
}

void event_encoder_set_problem(struct event_encoder *encoder, const struct pe_problem *problem)
{
    encoder->problem = *problem;
}

/* ---- the frame ---- */

static int append_frame_head(struct event_encoder *encoder, const char *name, struct pe_error *err)
{
    if (encoder->framing == EVENT_FRAMING_DATA)
        return pe_buf_append_text(&encoder->out, "data: ", err);
    if (encoder->framing != EVENT_FRAMING_SSE)
        return 0;
    return pe_buf_printf(&encoder->out, err, "event: %s\ndata: ", name);
}

static int append_frame_tail(struct event_encoder *encoder, struct pe_error *err)
{
    static const char *const tails[] = {"\n\n", "\n\n", "\n", ""};
    return pe_buf_append_text(&encoder->out, tails[encoder->framing], err);
}

/* Append an event in one piece. An event without a text is left out. */
static int append_event(struct event_encoder *encoder, const struct event *event, struct pe_error *err)
{
    size_t before = encoder->out.size;
    if (append_frame_head(encoder, event_json_name(event), err) < 0)
        return -1;
    size_t head = encoder->out.size;
    if (encoder->write(encoder->context, event, &encoder->out, err) < 0)
        return -1;
    if (encoder->out.size > head)
        return append_frame_tail(encoder, err);
    encoder->out.size = before;
    return 0;
}

int event_encoder_append_sign_of_life(struct event_encoder *encoder, struct pe_error *err)
{
    static const char *const signs[] = {":\n\n", ":\n\n", "\n", ""};
    return pe_buf_append_text(&encoder->out, signs[encoder->framing], err);
}

/* ---- streams ---- */

/* The bytes of a stream that are in no event yet. */
struct rest {
    struct pe_cursor bytes;
    bool is_final; /* nothing follows them */
};

static struct pe_cursor from_result(const struct job_result *result, enum live_stream stream, size_t position)
{
    size_t begin = stream == LIVE_STDOUT ? 0 : (size_t)result->parts.items[0].size;
    size_t size = (size_t)result->parts.items[stream].size;
    size_t arrived = result->bytes.size > begin ? result->bytes.size - begin : 0;
    size_t end = arrived < size ? arrived : size;
    if (position >= end)
        return (struct pe_cursor){0};
    return (struct pe_cursor){.at = result->bytes.data + begin + position, .left = end - position};
}

/* A result that has arrived is preferred: a guest that lies may have sent other output before. */
static struct rest rest_of(const struct event_encoder *encoder, enum live_stream stream)
{
    const struct job_result *result = encoder->result;
    size_t position = encoder->position[stream];
    struct rest rest = {.is_final = encoder->problem.status != 0};
    if (result) {
        size_t size = (size_t)result->parts.items[stream].size;
        rest.bytes = from_result(result, stream, position);
        rest.is_final = position + rest.bytes.left >= size;
        /* The rest of a character may be in the output that came before the result. */
        if (rest.is_final || rest.bytes.left > pe_utf8_unfinished_size(rest.bytes.at, rest.bytes.left))
            return rest;
    }
    if (encoder->live)
        rest.bytes = live_output_from(encoder->live, stream, position);
    return rest;
}

/* Whether all bytes of both streams are in events, as far as they ever will be. */
static bool streams_ended(const struct event_encoder *encoder)
{
    for (int i = 0; i < LIVE_STREAMS; i++) {
        struct rest rest = rest_of(encoder, (enum live_stream)i);
        if (rest.bytes.left || !rest.is_final)
            return false;
    }
    return true;
}

/* Find bytes of a stream for one event. A character whose end has not arrived is held back. Returns false
 * if there are none. */
static bool find_output(const struct event_encoder *encoder, enum live_stream stream, struct event *event)
{
    struct rest rest = rest_of(encoder, stream);
    size_t size = rest.bytes.left < OUTPUT_MAX ? rest.bytes.left : OUTPUT_MAX;
    bool is_cut = size < rest.bytes.left || !rest.is_final;
    if (size && is_cut)
        size -= pe_utf8_unfinished_size(rest.bytes.at, size);
    *event = (struct event){.kind = EVENT_OUTPUT,
                            .stream = stream,
                            .bytes = {.at = rest.bytes.at, .left = size},
                            .is_text = size && pe_utf8_valid(rest.bytes.at, size)};
    return size > 0;
}

static int append_output(struct event_encoder *encoder, const struct event *found, struct pe_error *err)
{
    enum live_stream stream = found->stream;
    size_t used = found->bytes.left;
    struct event event = *found;
    event.used = &used;
    if (append_event(encoder, &event, err) < 0)
        return -1;
    encoder->position[stream] += used;
    encoder->turn = stream == LIVE_STDOUT ? LIVE_STDERR : LIVE_STDOUT;
    if (encoder->is_interactive && encoder->live)
        live_output_forget(encoder->live, stream, encoder->position[stream]);
    return 0;
}

/* ---- parts: they are sent in pieces ---- */

static const struct pe_part *current_part(const struct event_encoder *encoder)
{
    return &encoder->result->parts.items[encoder->part];
}

/* Where the bytes of a part begin in those of the result. */
static size_t offset_of(const struct pe_parts *parts, size_t part)
{
    size_t offset = 0;
    for (size_t i = 0; i < part; i++)
        offset += (size_t)parts->items[i].size;
    return offset;
}

static int begin_part(struct event_encoder *encoder, struct pe_error *err)
{
    const struct pe_part *part = current_part(encoder);
    encoder->in_event = true;
    encoder->part_left = (size_t)part->size;
    encoder->part_is_text = job_result_part_is_text(encoder->result, encoder->part, encoder->offset);
    if (append_frame_head(encoder, event_json_part_name(part), err) < 0)
        return -1;
    return event_json_append_part_head(&encoder->out, part, encoder->part_is_text, err);
}

static int continue_part(struct event_encoder *encoder, size_t room, struct pe_error *err)
{
    struct pe_cursor bytes = {.at = encoder->result->bytes.data + encoder->offset,
                              .left = encoder->part_left};
    if ((encoder->part_is_text ? pe_json_append_escaped(&encoder->out, &bytes, room, err)
                               : pe_json_append_base64(&encoder->out, &bytes, room, err)) < 0)
        return -1;
    encoder->offset += encoder->part_left - bytes.left;
    encoder->part_left = bytes.left;
    if (encoder->part_left)
        return 0;
    encoder->in_event = false;
    return event_json_append_part_tail(&encoder->out, encoder->part++ + encoder->result->parts.items, err) < 0
               ? -1
               : append_frame_tail(encoder, err);
}

static bool has_part(struct event_encoder *encoder)
{
    const struct job_result *result = encoder->result;
    if (encoder->write != event_json_write) /* the result is one event in other forms */
        return false;
    if (encoder->part < LIVE_STREAMS) {
        encoder->part = LIVE_STREAMS;
        encoder->offset = offset_of(&result->parts, LIVE_STREAMS);
    }
    return encoder->part < result->parts.count;
}

/* ---- what comes next ---- */

static int append_result(struct event_encoder *encoder, struct pe_error *err)
{
    const struct event event = {.kind = EVENT_RESULT, .result = encoder->result, .fields = &encoder->fields};
    encoder->ended = true;
    return append_event(encoder, &event, err);
}

static int append_problem(struct event_encoder *encoder, struct pe_error *err)
{
    const struct event event = {.kind = EVENT_PROBLEM, .problem = &encoder->problem};
    encoder->ended = true;
    return append_event(encoder, &event, err);
}

/* Behind the events that tell about the job: its output, its files and the end. Clears `more` if there is
 * none of it. */
static int append_content(struct event_encoder *encoder, size_t room, bool *more, struct pe_error *err)
{
    struct event output;
    enum live_stream other = encoder->turn == LIVE_STDOUT ? LIVE_STDERR : LIVE_STDOUT;
    if (find_output(encoder, encoder->turn, &output) || find_output(encoder, other, &output))
        return append_output(encoder, &output, err);
    if (encoder->problem.status)
        return append_problem(encoder, err);
    *more = encoder->result && encoder->result->complete && streams_ended(encoder);
    if (!*more)
        return 0;
    if (!has_part(encoder))
        return append_result(encoder, err);
    return begin_part(encoder, err) < 0 ? -1 : continue_part(encoder, room, err);
}

/* ---- runs: they are sent in pieces as well ---- */

static int continue_run(struct event_encoder *encoder, size_t room, struct pe_error *err)
{
    struct pe_json_pieces *text = &encoder->first_run->text;
    size_t work = room > encoder->out.size ? room - encoder->out.size : 0;
    if (pe_json_pieces_take(text, &encoder->out, &work, err) < 0)
        return -1;
    encoder->in_event = encoder->in_run = !pe_json_pieces_ended(text);
    if (encoder->in_run)
        return 0;
    drop_first_run(encoder);
    return append_frame_tail(encoder, err);
}

/* Behind `started` comes what has ended since. */
static int begin_run(struct event_encoder *encoder, size_t room, struct pe_error *err)
{
    const struct event event = {.kind = EVENT_RUN, .is_case = encoder->first_run->is_case};
    return append_frame_head(encoder, event_json_name(&event), err) < 0 ? -1
                                                                        : continue_run(encoder, room, err);
}

/* A complete result has everything that was printed. */
static void drop_live(struct event_encoder *encoder)
{
    if (!encoder->result || !encoder->result->complete)
        return;
    live_output_unref(encoder->live);
    encoder->live = NULL;
}

/* Append what comes next, which may be nothing. Clears `more` if nothing has happened. */
static int append_next(struct event_encoder *encoder, size_t room, bool *more, struct pe_error *err)
{
    struct event event = {.id = encoder->id, .is_interactive = encoder->is_interactive};
    drop_live(encoder);
    if (encoder->in_event)
        return encoder->in_run ? continue_run(encoder, room, err) : continue_part(encoder, room, err);
    if (!encoder->is_queued) {
        encoder->is_queued = true;
        event.kind = EVENT_QUEUED;
    } else if (encoder->must_restart) {
        encoder->must_restart = encoder->is_started = false;
        event.kind = EVENT_RESTARTED;
        event.reason = encoder->restart_reason;
    } else if (encoder->must_start && !encoder->is_started) {
        encoder->is_started = true;
        event.kind = EVENT_STARTED;
    } else if (encoder->first_run) {
        return begin_run(encoder, room, err);
    } else if (encoder->taken) {
        event.kind = EVENT_TAKEN;
        event.taken = encoder->taken;
        encoder->taken = 0;
    } else {
        return append_content(encoder, room, more, err);
    }
    return append_event(encoder, &event, err);
}

int event_encoder_next(struct event_encoder *encoder, size_t room, struct pe_error *err)
{
    size_t before = encoder->out.size;
    bool more = true;
    while (more && !encoder->ended && encoder->out.size == before)
        if (append_next(encoder, room, &more, err) < 0)
            return -1;
    return 0;
}

int event_encoder_fill(struct event_encoder *encoder, size_t room, struct pe_error *err)
{
    while (encoder->out.size < room && !encoder->ended) {
        size_t before = encoder->out.size;
        if (event_encoder_next(encoder, room, err) < 0)
            return -1;
        if (encoder->out.size == before)
            return 0;
    }
    return 0;
}

void event_encoder_free(struct event_encoder *encoder)
{
    drop_output(encoder);
    pe_buf_free(&encoder->out);
    while (encoder->first_run)
        drop_first_run(encoder);
    *encoder = (struct event_encoder){0};
}
