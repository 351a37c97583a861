/* SPDX-License-Identifier: Apache-2.0 */
/* The streaming encoders. Each part has a head, bytes and a tail; the forms differ in head and
 * tail. Those of JSON are in result_json.c. */
#include "lb/api/result_encoder.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/random_text.h"
#include "codec/json_writer.h"
#include "codec/multipart.h"
#include "lb/api/result_part.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

const char *const result_media_types[RESULT_MEDIA_TYPES] = {
    "multipart/form-data", "application/json",     "application/x-cpio",
    "text/event-stream",   "application/x-ndjson",
};

/* ---- cpio, "newc" (cpio(5)): a header of 110 characters and the name, data, each padded to 4
 * ---- */

enum { CPIO_HEADER = 110, CPIO_TYPE = 0170000, CPIO_FOLDER = 0040000, CPIO_FILE = 0100000 };

static int pad_to_4(struct pe_buf *out, uint64_t size, struct pe_error *err)
{
    return pe_buf_append(out, "\0\0\0", (size_t)(-size & 3), err);
}

/* The attributes of an entry in a cpio archive. */
struct cpio_entry {
    size_t inode;
    uint32_t mode, mtime;
    uint64_t size;
};

static int append_cpio_head(struct pe_buf *out, const struct cpio_entry *entry, const char *folder,
                            const char *name, size_t name_size, struct pe_error *err)
{
    size_t stored = strlen(folder) + name_size + 1; /* with its NUL */
    int links = (entry->mode & CPIO_TYPE) == CPIO_FOLDER ? 2 : 1;
    if (pe_buf_printf(out, err, "070701%08zX%08X%08X%08X%08X%08X%08llX%08X%08X%08X%08X%08zX%08X",
                      entry->inode, entry->mode, 0, 0, links, entry->mtime, (unsigned long long)entry->size,
                      0, 0, 0, 0, stored, 0) < 0 ||
        pe_buf_append_text(out, folder, err) < 0 || pe_buf_append(out, name, name_size, err) < 0 ||
        pe_buf_append(out, "", 1, err) < 0)
        return -1;
    return pad_to_4(out, CPIO_HEADER + stored, err);
}

static const char *const part_names[] = {[PE_PART_FILE] = "file",
                                         [PE_PART_STDOUT] = "stdout",
                                         [PE_PART_STDERR] = "stderr",
                                         [PE_PART_COMBINED] = "combined",
                                         [PE_PART_FOLDER] = "folder"};

static bool has_path(const struct pe_part *part)
{
    return part->kind == PE_PART_FILE || part->kind == PE_PART_FOLDER;
}

static int append_cpio_part(struct result_encoder *encoder, const struct pe_part *part, struct pe_error *err)
{
    struct cpio_entry entry = {.inode = encoder->part + 2, /* 1 is the entry `result` */
                               .mode = CPIO_FILE | 0644,
                               .mtime = part->mtime,
                               .size = part->size};
    if (!has_path(part)) {
        const char *name = part_names[part->kind];
        return append_cpio_head(&encoder->out, &entry, "", name, strlen(name), err);
    }
    entry.mode = (part->kind == PE_PART_FOLDER ? CPIO_FOLDER : CPIO_FILE) | part_mode(part);
    return append_cpio_head(&encoder->out, &entry, "files/", part->path.text, part->path.length, err);
}

/* ---- a part's head and tail ---- */

static int append_form_head(struct result_encoder *encoder, const struct pe_part *part, struct pe_error *err)
{
    const char *name = part_names[part->kind];
    /* Browsers decode a part without a file name as UTF-8, and fail if it is not (Fetch, "multipart
     * form-data parser"). So stdout and stderr have one, too. */
    bool is_named = has_path(part);
    return pe_form_append_head(&encoder->out, encoder->boundary, name, is_named ? part->path.text : name,
                               is_named ? part->path.length : strlen(name), "application/octet-stream", err);
}

static int append_head(struct result_encoder *encoder, const struct pe_part *part, struct pe_error *err)
{
    switch (encoder->format) {
    case RESULT_MULTIPART:
        return append_form_head(encoder, part, err);
    case RESULT_CPIO:
        return append_cpio_part(encoder, part, err);
    default:
        return result_json_append_head(encoder, part, err);
    }
}

static int append_tail(struct result_encoder *encoder, const struct pe_part *part, struct pe_error *err)
{
    switch (encoder->format) {
    case RESULT_MULTIPART:
        return pe_buf_append(&encoder->out, "\r\n", 2, err);
    case RESULT_CPIO:
        return pad_to_4(&encoder->out, part->size, err);
    default:
        return result_json_append_tail(encoder, part, err);
    }
}

/* Close the current part, whose bytes are all in the body, and open the next one. */
static int next_part(struct result_encoder *encoder, struct pe_error *err)
{
    const struct pe_parts *parts = &encoder->result->parts;
    if (append_tail(encoder, &parts->items[encoder->part], err) < 0)
        return -1;
    if (++encoder->part == parts->count)
        return 0;
    encoder->part_left = parts->items[encoder->part].size;
    return append_head(encoder, &parts->items[encoder->part], err);
}

/* ---- beginning ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Append an array of the attributes of all files, or all folders. */
static void append_attributes(struct pe_json_writer *writer, const char *name, const struct pe_parts *parts,
                              enum pe_part_kind kind)
{
    pe_json_open(writer, name, '[');
    for (size_t i = 0; i < parts->count; i++) {
        char mode[8];
        if (parts->items[i].kind != kind)
            continue;
        snprintf(mode, sizeof mode, "%04o", part_mode(&parts->items[i]));
        pe_json_open(writer, NULL, '{');
        pe_json_append_text(writer, "mode", mode);
        if (parts->items[i].mtime)
            pe_json_append_number(writer, "mtime", parts->items[i].mtime);
        pe_json_close(writer, '}');
    }
    pe_json_close(writer, ']');
}

/* The part or entry `result` without its end. A part of multipart has no place for attributes (RFC 7578
 * section 4.8), so they are here, in the order of the parts. The names are not repeated: those of a hostile
 * job can be long. */
static int append_result_text(const struct result_encoder *encoder, struct pe_buf *out, struct pe_error *err)
{
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, NULL, '{');
    result_json_append_members(encoder->result, &encoder->fields, &writer);
    if (encoder->format == RESULT_MULTIPART) {
        append_attributes(&writer, "files", &encoder->result->parts, PE_PART_FILE);
        append_attributes(&writer, "folders", &encoder->result->parts, PE_PART_FOLDER);
    }
    return pe_json_finish(&writer);
}

/* Members of stages and cases, with a comma in front of them. */
static size_t runs_size(const struct job_result *result)
{
    return result->runs.size ? 1 + result->runs.size : 0;
}

static int append_result(struct result_encoder *encoder, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    bool is_form = encoder->format == RESULT_MULTIPART;
    if (append_result_text(encoder, &text, err) < 0)
        return -1;
    encoder->text_size = text.size + runs_size(encoder->result) + strlen("}");
    const struct cpio_entry entry = {.inode = 1, .mode = CPIO_FILE | 0644, .size = encoder->text_size};
    return (is_form ? pe_form_append_head(&encoder->out, encoder->boundary, "result", NULL, 0,
                                          "application/json", err)
                    : append_cpio_head(&encoder->out, &entry, "", "result", strlen("result"), err)) < 0
               ? -1
               : pe_buf_append(&encoder->out, text.data, text.size, err);
}

/* Room that is reserved at once for a small response: for heads and tails, and for the bytes at
 * most. */
enum { HEADS_SIZE = 2048, ROOM_MAX = 64 * 1024 };

/* Append what precedes the members of stages and cases. */
static int begin_body(struct result_encoder *encoder, struct pe_error *err)
{
    const struct job_result *result = encoder->result;
    encoder->begun = true;
    if (pe_buf_reserve(&encoder->out, HEADS_SIZE + least(result->size, ROOM_MAX), err) < 0 ||
        (encoder->format == RESULT_JSON ? result_json_begin(encoder, err) : append_result(encoder, err)) < 0)
        return -1;
    return pe_buf_append(&encoder->out, ",", result->runs.size ? 1 : 0, err);
}

/* Append what stands between the members of stages and cases and the bytes of the first part. */
static int end_runs(struct result_encoder *encoder, struct pe_error *err)
{
    const struct pe_part *first = encoder->result->parts.items;
    const struct pe_part text = {.kind = PE_PART_FILE, .size = encoder->text_size};
    encoder->has_runs = true;
    encoder->part_left = first->size;
    if (encoder->format != RESULT_JSON &&
        (pe_buf_append_text(&encoder->out, "}", err) < 0 || append_tail(encoder, &text, err) < 0))
        return -1;
    return append_head(encoder, first, err);
}

/* They are as large as the output of all cases, so they are copied in pieces. */
static int append_runs(struct result_encoder *encoder, size_t room, struct pe_error *err)
{
    const struct pe_buf *runs = &encoder->result->runs;
    size_t free_room = room > encoder->out.size ? room - encoder->out.size : 0;
    size_t size = least(runs->size - encoder->runs_taken, free_room);
    if (size && pe_buf_append(&encoder->out, runs->data + encoder->runs_taken, size, err) < 0)
        return -1;
    encoder->runs_taken += size;
    return encoder->runs_taken < runs->size ? 0 : end_runs(encoder, err);
}

static void set_content_type(struct result_encoder *encoder)
{
    const char *type = result_media_types[encoder->format];
    if (encoder->format != RESULT_MULTIPART) {
        snprintf(encoder->content_type, sizeof encoder->content_type, "%s", type);
        return;
    }
    memcpy(encoder->boundary, "pe-", 3);
    pe_pooled_random_hex(encoder->boundary + 3, 16);
    snprintf(encoder->content_type, sizeof encoder->content_type, "%s; boundary=%s", type, encoder->boundary);
}

int result_encoder_begin(struct result_encoder *encoder, enum result_format format, struct job_result *result,
                         const struct pe_result *fields, struct pe_error *err)
{
    *encoder = (struct result_encoder){.format = format, .result = job_result_ref(result), .fields = *fields};
    const struct pe_parts *parts = &result->parts;
    if (parts->count == 0)
        return pe_fail(err, PE_ERR_MALFORMED, "a result without parts");
    set_content_type(encoder);
    return format == RESULT_JSON ? 0 : begin_body(encoder, err);
}

/* ---- the bytes ---- */

static int append_end(struct result_encoder *encoder, struct pe_error *err)
{
    encoder->ended = true;
    if (encoder->format == RESULT_JSON)
        return result_json_end(encoder, err);
    if (encoder->format == RESULT_MULTIPART)
        return pe_form_append_end(&encoder->out, encoder->boundary, err);
    static const struct cpio_entry trailer = {0};
    return append_cpio_head(&encoder->out, &trailer, "", "TRAILER!!!", strlen("TRAILER!!!"), err);
}

/* Append bytes of the current part as they are. */
static int append_bytes(struct result_encoder *encoder, size_t room, struct pe_error *err)
{
    const struct job_result *result = encoder->result;
    size_t size = least(result->bytes.size - encoder->taken, room - encoder->out.size);
    size = (size_t)(size > encoder->part_left ? encoder->part_left : size);
    if (pe_buf_append(&encoder->out, result->bytes.data + encoder->taken, size, err) < 0)
        return -1;
    encoder->taken += size;
    encoder->part_left -= size;
    return 0;
}

int result_encoder_fill(struct result_encoder *encoder, size_t room, struct pe_error *err)
{
    const struct job_result *result = encoder->result;
    bool is_json = encoder->format == RESULT_JSON;
    if (encoder->ended || (is_json && !result->complete))
        return 0;
    if (is_json && encoder->append_json) {
        encoder->ended = true;
        return encoder->append_json(encoder->append_context, result, &encoder->out, err);
    }
    if ((!encoder->begun && begin_body(encoder, err) < 0) ||
        (!encoder->has_runs && append_runs(encoder, room, err) < 0))
        return -1;
    if (!encoder->has_runs)
        return 0;
    while (encoder->out.size < room && encoder->part < result->parts.count) {
        if (encoder->part_left && encoder->taken == result->bytes.size)
            return 0;
        int failed = !encoder->part_left ? next_part(encoder, err)
                     : is_json           ? result_json_append_bytes(encoder, room, err)
                                         : append_bytes(encoder, room, err);
        if (failed)
            return -1;
    }
    if (!result->complete || encoder->part < result->parts.count)
        return 0;
    if (is_json && result_json_append_folders(encoder, room, err) < 0)
        return -1;
    return is_json && encoder->folder < result->parts.count ? 0 : append_end(encoder, err);
}

void result_encoder_free(struct result_encoder *encoder)
{
    job_result_unref(encoder->result);
    pe_buf_free(&encoder->out);
    *encoder = (struct result_encoder){0};
}

/* ---- bodies that are kept ---- */

/* Bytes and parts of a result. The bodies of larger ones are not kept, but made in pieces. */
enum { RENDERED_MAX = 64 * 1024, RENDERED_PARTS_MAX = 64 };

const struct rendered *result_encoder_rendered(struct job_result *result, enum result_format format)
{
    struct rendered *rendered = &result->rendered[format];
    struct result_encoder encoder = {0};
    struct pe_result fields = result->fields;
    struct pe_error ignored;
    if (rendered->body.size || !result->complete || result->size > RENDERED_MAX ||
        result->parts.count > RENDERED_PARTS_MAX)
        return rendered->body.size ? rendered : NULL;
    fields.cached = true;
    fields.phase_us[PE_PHASE_QUEUE] = 0;
    if (result_encoder_begin(&encoder, format, result, &fields, &ignored) == 0 &&
        result_encoder_fill(&encoder, SIZE_MAX, &ignored) == 0 && encoder.ended) {
        memcpy(rendered->content_type, encoder.content_type, sizeof rendered->content_type);
        rendered->body = encoder.out;
        encoder.out = (struct pe_buf){0};
        job_result_settle(result);
    }
    result_encoder_free(&encoder);
    return rendered->body.size ? rendered : NULL;
}
