/* The streaming encoders. A part is head, bytes, tail; the formats differ in the first and the last. */
#include "lb/api/result_encoder.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/random_text.h"
#include "codec/multipart.h"
#include "lb/piston/reply.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

/* ---- cpio, "newc" (cpio(5)): a header of 110 characters and the name, data, each padded to 4 ---- */

enum { CPIO_HEADER = 110 };

static int pad_to_4(struct pe_buf *out, uint64_t size, struct pe_error *err)
{
    return pe_buf_append(out, "\0\0\0", (size_t)(-size & 3), err);
}

static int put_cpio_head(struct pe_buf *out, size_t inode, const char *folder, const char *name,
                         size_t name_size, uint32_t mode, uint64_t size, struct pe_error *err)
{
    size_t stored = strlen(folder) + name_size + 1; /* with the NUL */
    if (pe_buf_printf(out, err, "070701%08zX%08X%08X%08X%08X%08X%08llX%08X%08X%08X%08X%08zX%08X", inode, mode,
                      0, 0, 1, 0, (unsigned long long)size, 0, 0, 0, 0, stored, 0) < 0 ||
        pe_buf_append_text(out, folder, err) < 0 || pe_buf_append(out, name, name_size, err) < 0 ||
        pe_buf_append(out, "", 1, err) < 0)
        return -1;
    return pad_to_4(out, CPIO_HEADER + stored, err);
}

static int put_cpio_part(struct response *response, const struct pe_part *part, struct pe_error *err)
{
    size_t inode = response->part + 2; /* 1 is the entry `result` */
    if (part->kind != PE_PART_FILE) {
        const char *name = part->kind == PE_PART_STDOUT ? "stdout" : "stderr";
        return put_cpio_head(&response->out, inode, "", name, strlen(name), 0100644, part->size, err);
    }
    uint32_t mode = 0100000 | (part->mode & 0777 ? part->mode & 0777 : 0644);
    return put_cpio_head(&response->out, inode, "files/", part->path.text, part->path.length, mode,
                         part->size, err);
}

/* ---- a part's head and tail ---- */

static int put_form_head(struct response *response, const struct pe_part *part, struct pe_error *err)
{
    static const char *const names[] = {
        [PE_PART_FILE] = "file", [PE_PART_STDOUT] = "stdout", [PE_PART_STDERR] = "stderr"};
    const char *filename = part->kind == PE_PART_FILE ? part->path.text : NULL;
    return pe_form_append_head(&response->out, response->boundary, names[part->kind], filename,
                               part->path.length, "application/octet-stream", err);
}

static int put_head(struct response *response, const struct pe_part *part, struct pe_error *err)
{
    switch (response->format) {
    case RESPONSE_MULTIPART:
        return put_form_head(response, part, err);
    case RESPONSE_CPIO:
        return put_cpio_part(response, part, err);
    default:
        return 0;
    }
}

static int put_tail(struct response *response, uint64_t size, struct pe_error *err)
{
    switch (response->format) {
    case RESPONSE_MULTIPART:
        return pe_buf_append(&response->out, "\r\n", 2, err);
    case RESPONSE_CPIO:
        return pad_to_4(&response->out, size, err);
    default:
        return 0;
    }
}

/* Close every part that has all its bytes and open the one after it: up to one that waits for bytes. */
static int advance(struct response *response, struct pe_error *err)
{
    const struct pe_parts *parts = &response->outcome->parts;
    while (response->part < parts->count && response->part_left == 0) {
        if (put_tail(response, parts->items[response->part].size, err) < 0)
            return -1;
        if (++response->part == parts->count)
            return 0;
        const struct pe_part *next = &parts->items[response->part];
        response->part_left = next->size;
        if (put_head(response, next, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- beginning ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int put_result(struct response *response, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    if (pe_result_append_json(&response->result, &text, err) < 0)
        return -1;
    if (response->format == RESPONSE_MULTIPART
            ? pe_form_append_head(&response->out, response->boundary, "result", NULL, 0, "application/json",
                                  err) < 0
            : put_cpio_head(&response->out, 1, "", "result", strlen("result"), 0100644, text.size, err) < 0)
        return -1;
    if (pe_buf_append(&response->out, text.data, text.size, err) < 0)
        return -1;
    return put_tail(response, text.size, err);
}

/* Room for a small response at once: what stands around its bytes, and those. */
enum { HEADS_SIZE = 2048, ROOM_MAX = 64 * 1024 };

static void set_content_type(struct response *response)
{
    const char *type = response_media_types[response->format];
    if (response->format != RESPONSE_MULTIPART) {
        snprintf(response->content_type, sizeof response->content_type, "%s", type);
        return;
    }
    memcpy(response->boundary, "pe-", 3);
    random_hex(response->boundary + 3, 16);
    snprintf(response->content_type, sizeof response->content_type, "%s; boundary=%s", type,
             response->boundary);
}

int response_begin(struct response *response, enum response_format format, struct outcome *outcome,
                   const struct pe_result *result, struct pe_error *err)
{
    *response = (struct response){.format = format, .outcome = outcome_ref(outcome), .result = *result};
    const struct pe_parts *parts = &outcome->parts;
    if (parts->count == 0)
        return pe_fail(err, PE_ERR_MALFORMED, "a result without parts");
    set_content_type(response);
    if (format == RESPONSE_JSON)
        return 0;
    if (pe_buf_reserve(&response->out, HEADS_SIZE + least(outcome->size, ROOM_MAX), err) < 0 ||
        put_result(response, err) < 0)
        return -1;
    response->part_left = parts->items[0].size;
    if (put_head(response, &parts->items[0], err) < 0)
        return -1;
    return advance(response, err);
}

/* ---- the bytes ---- */

static int put_end(struct response *response, struct pe_error *err)
{
    response->ended = true;
    if (response->format == RESPONSE_MULTIPART)
        return pe_form_append_end(&response->out, response->boundary, err);
    return put_cpio_head(&response->out, 0, "", "TRAILER!!!", strlen("TRAILER!!!"), 0, 0, err);
}

int response_fill(struct response *response, size_t room, struct pe_error *err)
{
    const struct outcome *outcome = response->outcome;
    if (response->ended)
        return 0;
    if (response->format == RESPONSE_JSON) {
        response->ended = outcome->complete;
        if (!outcome->complete)
            return 0;
        return response->piston ? piston_answer_put(response->piston, outcome, &response->out, err)
                                : response_put_json(response, err);
    }
    while (response->out.size < room && response->part_left) {
        size_t size = least(outcome->bytes.size - response->taken, room - response->out.size);
        if (size > response->part_left)
            size = (size_t)response->part_left;
        if (size == 0)
            return 0;
        if (pe_buf_append(&response->out, outcome->bytes.data + response->taken, size, err) < 0)
            return -1;
        response->taken += size;
        response->part_left -= size;
        if (advance(response, err) < 0)
            return -1;
    }
    return outcome->complete && response->part == outcome->parts.count ? put_end(response, err) : 0;
}

void response_free(struct response *response)
{
    outcome_unref(response->outcome);
    pe_buf_free(&response->out);
    *response = (struct response){0};
}

/* ---- whole bodies ---- */

enum { RENDERED_MAX = 64 * 1024 }; /* bytes of an outcome that are kept in each form as well */

const struct rendered *response_rendered(struct outcome *outcome, enum response_format format)
{
    struct rendered *rendered = &outcome->rendered[format];
    struct response response = {0};
    struct pe_result result = outcome->result;
    struct pe_error ignored;
    if (rendered->body.size || !outcome->complete || outcome->size > RENDERED_MAX)
        return rendered->body.size ? rendered : NULL;
    result.cached = true;
    result.phase_us[PE_PHASE_QUEUE] = 0;
    if (response_begin(&response, format, outcome, &result, &ignored) == 0 &&
        response_fill(&response, SIZE_MAX, &ignored) == 0 && response.ended) {
        memcpy(rendered->content_type, response.content_type, sizeof rendered->content_type);
        rendered->body = response.out;
        response.out = (struct pe_buf){0};
        outcome_settle(outcome);
    }
    response_free(&response);
    return rendered->body.size ? rendered : NULL;
}
