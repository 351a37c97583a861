/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON form of a response: the fields of the result, then each stream as a member, then the
 * files as an array. Bytes that are UTF-8 are sent as text, others as base64. Which of both has to
 * be known before the first byte of a part, and the end of the job before all of them: so the body
 * begins when the result is complete. It is then made in pieces, like the other forms. */
#include "lb/api/result_encoder.h"

#include "base/cleanup.h"
#include "codec/json_text.h"
#include "codec/json_writer.h"
#include "codec/utf8_text.h"
#include "lb/api/result_part.h"

void result_json_append_members(const struct job_result *result, const struct pe_result *fields,
                                struct pe_json_writer *writer)
{
    pe_result_append_members(fields, writer);
    pe_json_append_members(writer, result->summary.data, result->summary.size);
}

int result_json_begin(struct result_encoder *encoder, struct pe_error *err)
{
    struct pe_json_writer writer = pe_json_write(&encoder->out, err);
    pe_json_open(&writer, NULL, '{');
    result_json_append_members(encoder->result, &encoder->fields, &writer);
    return pe_json_finish(&writer);
}

static int append_stream_head(struct result_encoder *encoder, const char *name, struct pe_error *err)
{
    if (encoder->files)
        return pe_fail(err, PE_ERR_MALFORMED, "the parts of a result are out of order");
    return pe_buf_printf(&encoder->out, err, encoder->part_is_text ? ",\"%s\":\"" : ",\"%s\":{\"base64\":\"",
                         name);
}

/* The name as text and, if it is not UTF-8, as base64 as well. */
static int append_name(struct pe_buf *out, const struct pe_path *path, struct pe_error *err)
{
    struct pe_cursor name = {.at = (const uint8_t *)path->text, .left = path->length}, bytes = name;
    if (pe_buf_append_text(out, "\"name\":\"", err) < 0 ||
        pe_json_append_escaped(out, &name, SIZE_MAX, err) < 0)
        return -1;
    if (pe_utf8_valid(path->text, path->length))
        return pe_buf_append_text(out, "\"", err);
    return pe_buf_append_text(out, "\",\"name_base64\":\"", err) < 0 ||
                   pe_json_append_base64(out, &bytes, SIZE_MAX, err) < 0
               ? -1
               : pe_buf_append_text(out, "\"", err);
}

int result_json_append_attributes(struct pe_buf *out, const struct pe_part *part, struct pe_error *err)
{
    if (append_name(out, &part->path, err) < 0 ||
        pe_buf_printf(out, err, ",\"mode\":\"%04o\"", part_mode(part)) < 0 ||
        (part->mtime && pe_buf_printf(out, err, ",\"mtime\":%u", part->mtime) < 0))
        return -1;
    return part->kind == PE_PART_FILE
               ? pe_buf_printf(out, err, ",\"size\":%llu", (unsigned long long)part->size)
               : 0;
}

static int append_file_head(struct result_encoder *encoder, const struct pe_part *part, struct pe_error *err)
{
    struct pe_buf *out = &encoder->out;
    if (pe_buf_append_text(out, encoder->files++ ? ",{" : ",\"files\":[{", err) < 0 ||
        result_json_append_attributes(out, part, err) < 0)
        return -1;
    return pe_buf_append_text(out, encoder->part_is_text ? ",\"text\":\"" : ",\"base64\":\"", err);
}

int result_json_append_head(struct result_encoder *encoder, const struct pe_part *part, struct pe_error *err)
{
    encoder->part_is_text = job_result_part_is_text(encoder->result, encoder->part, encoder->taken);
    switch (part->kind) {
    case PE_PART_STDOUT:
        return append_stream_head(encoder, "stdout", err);
    case PE_PART_STDERR:
        return append_stream_head(encoder, "stderr", err);
    case PE_PART_COMBINED:
        return append_stream_head(encoder, "combined", err);
    case PE_PART_FILE:
        return append_file_head(encoder, part, err);
    case PE_PART_FOLDER:
        return 0; /* the folders have an array of their own, behind the files */
    }
    return -1;
}

int result_json_append_bytes(struct result_encoder *encoder, size_t size_max, struct pe_error *err)
{
    struct pe_cursor bytes = {.at = encoder->result->bytes.data + encoder->taken,
                              .left = (size_t)encoder->part_left};
    int failed = encoder->part_is_text ? pe_json_append_escaped(&encoder->out, &bytes, size_max, err)
                                       : pe_json_append_base64(&encoder->out, &bytes, size_max, err);
    encoder->taken += (size_t)encoder->part_left - bytes.left;
    encoder->part_left = bytes.left;
    return failed;
}

int result_json_append_tail(struct result_encoder *encoder, const struct pe_part *part, struct pe_error *err)
{
    if (part->kind == PE_PART_FOLDER)
        return 0;
    bool is_object = part->kind == PE_PART_FILE || !encoder->part_is_text;
    return pe_buf_append_text(&encoder->out, is_object ? "\"}" : "\"", err);
}

int result_json_append_folders(struct result_encoder *encoder, size_t size_max, struct pe_error *err)
{
    const struct pe_parts *parts = &encoder->result->parts;
    const char *before = encoder->folders ? ",{"
                         : encoder->files ? "],\"folders\":[{"
                                          : ",\"files\":[],\"folders\":[{";
    for (; encoder->out.size < size_max && encoder->folder < parts->count; encoder->folder++) {
        const struct pe_part *part = &parts->items[encoder->folder];
        if (part->kind != PE_PART_FOLDER)
            continue;
        if (pe_buf_append_text(&encoder->out, before, err) < 0 ||
            result_json_append_attributes(&encoder->out, part, err) < 0 ||
            pe_buf_append_text(&encoder->out, "}", err) < 0)
            return -1;
        encoder->folders++;
        before = ",{";
    }
    return 0;
}

int result_json_end(struct result_encoder *encoder, struct pe_error *err)
{
    const char *end = encoder->folders ? "]}\n"
                      : encoder->files ? "],\"folders\":[]}\n"
                                       : ",\"files\":[],\"folders\":[]}\n";
    return pe_buf_append_text(&encoder->out, end, err);
}
