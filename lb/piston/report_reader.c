/* SPDX-License-Identifier: Apache-2.0 */
/* One frame of the report after the other. Output is passed on as it comes, except for the beginning of a
 * character; the two frames that surround it are kept until both are there, and read by proto/stages.c. */
#include "lb/piston/report_reader.h"

#include "base/cleanup.h"
#include "base/utf8.h"
#include "codec/json_writer.h"
#include "lb/piston/reply.h"

#include <string.h>

/* The end of a stage, and its name, have far fewer bytes. */
enum { KEPT_FRAME_MAX = 4096 };

/* ---- messages ---- */

static int append_stage(const struct piston_report_reader *reader, struct pe_buf *out, struct pe_error *err)
{
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "type", "stage");
    pe_json_append_bytes(&writer, "stage", reader->stage.data + PE_STAGE_FRAME_HEAD,
                         reader->stage.size - PE_STAGE_FRAME_HEAD);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

static int append_data(size_t stream, const void *bytes, size_t size, struct pe_buf *out,
                       struct pe_error *err)
{
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "type", "data");
    pe_json_append_text(&writer, "stream", stream ? "stderr" : "stdout");
    pe_json_append_bytes(&writer, "data", bytes, size);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

static int append_exit(const struct pe_stage_report *stage, const struct pe_result *fields,
                       struct pe_buf *out, struct pe_error *err)
{
    pe_autojson json_t *json = piston_exit_message(stage, fields);
    pe_autofree char *text = json ? json_dumps(json, PE_RESULT_JSON_FLAGS) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for a message");
    return pe_buf_append_text(out, text, err);
}

/* ---- frames ---- */

static int break_off(struct piston_report_reader *reader, struct pe_cursor *bytes)
{
    reader->is_broken = true;
    bytes->left = 0;
    return 0;
}

/* Whether a frame of this kind can come now. */
static bool fits(const struct piston_report_reader *reader)
{
    switch ((enum pe_stage_frame)reader->head[0]) {
    case PE_STAGE_BEGIN:
        return !reader->in_stage && reader->left > 0 && reader->left <= PE_STAGE_NAME_MAX;
    case PE_STAGE_OUT:
    case PE_STAGE_ERR:
        return reader->in_stage;
    case PE_STAGE_END:
        return reader->in_stage && reader->left <= KEPT_FRAME_MAX;
    case PE_CASE_BEGIN:
    case PE_CHECK_BEGIN:
        break;
    }
    return false;
}

/* Read the head of a frame. False if it is not complete, or not valid. */
static bool read_head(struct piston_report_reader *reader, struct pe_cursor *bytes)
{
    while (reader->head_size < PE_STAGE_FRAME_HEAD && bytes->left)
        reader->head[reader->head_size++] = *pe_cursor_read(bytes, 1);
    if (reader->head_size < PE_STAGE_FRAME_HEAD)
        return false;
    reader->left = (size_t)reader->head[1] << 16 | (size_t)reader->head[2] << 8 | reader->head[3];
    if (!fits(reader)) {
        break_off(reader, bytes);
        return false;
    }
    return true;
}

/* Output in an event: no character is cut at its end, and one that was cut before is complete. */
static int read_output(struct piston_report_reader *reader, size_t stream, struct pe_cursor *bytes,
                       struct pe_buf *out, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    size_t size = bytes->left < reader->left ? bytes->left : reader->left;
    if (pe_buf_append(&text, reader->held[stream], reader->held_size[stream], err) < 0 ||
        pe_buf_append(&text, pe_cursor_read(bytes, size), size, err) < 0)
        return -1;
    reader->left -= size;
    size_t held = text.size ? pe_utf8_unfinished_size(text.data, text.size) : 0;
    text.size -= held;
    if (held)
        memcpy(reader->held[stream], text.data + text.size, held);
    reader->held_size[stream] = held;
    return text.size ? append_data(stream, text.data, text.size, out, err) : 0;
}

/* Append the beginning of a character whose end does not come. */
static int flush_held(struct piston_report_reader *reader, size_t stream, struct pe_buf *out,
                      struct pe_error *err)
{
    size_t size = reader->held_size[stream];
    reader->held_size[stream] = 0;
    return append_data(stream, reader->held[stream], size, out, err);
}

static int end_stage(struct piston_report_reader *reader, struct pe_cursor *bytes, struct pe_buf *out,
                     struct pe_error *err)
{
    struct pe_error ignored;
    pe_autostages struct pe_stages stages = {0};
    if (pe_stages_read(reader->stage.data, reader->stage.size, &stages, &ignored) < 0 || stages.count != 1 ||
        !stages.items[0].ended)
        return break_off(reader, bytes);
    reader->in_stage = false;
    return append_exit(&stages.items[0], NULL, out, err);
}

/* Keep a frame of another kind. When it is complete, it is a message. */
static int read_kept(struct piston_report_reader *reader, struct pe_cursor *bytes, struct pe_buf *out,
                     struct pe_error *err)
{
    size_t size = bytes->left < reader->left ? bytes->left : reader->left;
    if (pe_buf_append(&reader->stage, pe_cursor_read(bytes, size), size, err) < 0)
        return -1;
    reader->left -= size;
    if (reader->left)
        return 0;
    if (reader->in_stage)
        return end_stage(reader, bytes, out, err);
    reader->in_stage = true;
    return append_stage(reader, out, err);
}

static int begin_kept(struct piston_report_reader *reader, struct pe_error *err)
{
    if (reader->head[0] == PE_STAGE_BEGIN)
        reader->stage.size = 0;
    return pe_buf_append(&reader->stage, reader->head, sizeof reader->head, err);
}

static bool is_output(const struct piston_report_reader *reader)
{
    return reader->head[0] == PE_STAGE_OUT || reader->head[0] == PE_STAGE_ERR;
}

static int read_frame(struct piston_report_reader *reader, struct pe_cursor *bytes, struct pe_buf *out,
                      struct pe_error *err)
{
    if (reader->head_size < PE_STAGE_FRAME_HEAD) {
        if (!read_head(reader, bytes))
            return 0;
        return is_output(reader) ? 0 : begin_kept(reader, err);
    }
    for (size_t stream = 0; reader->head[0] == PE_STAGE_END && stream < PISTON_STREAMS; stream++)
        if (reader->held_size[stream])
            return flush_held(reader, stream, out, err);
    if ((is_output(reader) ? read_output(reader, reader->head[0] == PE_STAGE_ERR, bytes, out, err)
                           : read_kept(reader, bytes, out, err)) < 0)
        return -1;
    if (!reader->left)
        reader->head_size = 0;
    return 0;
}

int piston_report_read(struct piston_report_reader *reader, struct pe_cursor *bytes, struct pe_buf *out,
                       struct pe_error *err)
{
    size_t before = out->size;
    if (reader->is_broken)
        bytes->left = 0;
    while (bytes->left && out->size == before)
        if (read_frame(reader, bytes, out, err) < 0)
            return -1;
    return 0;
}

int piston_report_end(struct piston_report_reader *reader, const struct pe_result *fields, struct pe_buf *out,
                      struct pe_error *err)
{
    struct pe_error ignored;
    pe_autostages struct pe_stages stages = {0};
    size_t name = reader->stage.size < PE_STAGE_FRAME_HEAD ? 0 : reader->stage.data[3];
    if (reader->is_broken || !reader->stage.size)
        return pe_fail(err, PE_ERR_MALFORMED, "the program has ended without saying how");
    if (!reader->in_stage)
        return 0;
    if (pe_stages_read(reader->stage.data, PE_STAGE_FRAME_HEAD + name, &stages, &ignored) < 0 ||
        stages.count != 1)
        return pe_fail(err, PE_ERR_MALFORMED, "the program has ended without saying how");
    reader->in_stage = false;
    return append_exit(&stages.items[0], fields, out, err);
}

void piston_report_reader_free(struct piston_report_reader *reader)
{
    pe_buf_free(&reader->stage);
    *reader = (struct piston_report_reader){0};
}
