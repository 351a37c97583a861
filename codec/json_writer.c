/* SPDX-License-Identifier: Apache-2.0 */
/* Writing JSON text: commas, names, escapes, numbers. */
#include "codec/json_writer.h"

#include "base/utf8.h"

#include <string.h>

struct pe_json_writer pe_json_write(struct pe_buf *out, struct pe_error *err)
{
    return (struct pe_json_writer){.out = out, .err = err};
}

int pe_json_finish(const struct pe_json_writer *writer)
{
    return writer->failed ? -1 : 0;
}

static void append(struct pe_json_writer *writer, const void *bytes, size_t size)
{
    if (!writer->failed)
        writer->failed = pe_buf_append(writer->out, bytes, size, writer->err) < 0;
}

/* Append what precedes a value: a comma and the name. */
static void append_name(struct pe_json_writer *writer, const char *name)
{
    size_t size = name ? strlen(name) : 0;
    bool comma = writer->comma;
    writer->comma = true;
    if (writer->failed || pe_buf_reserve(writer->out, size + 4, writer->err) < 0) {
        writer->failed = true;
        return;
    }
    uint8_t *at = writer->out->data + writer->out->size;
    if (comma)
        *at++ = ',';
    if (name) {
        *at++ = '"';
        memcpy(at, name, size);
        at += size;
        *at++ = '"';
        *at++ = ':';
    }
    writer->out->size = (size_t)(at - writer->out->data);
}

void pe_json_open(struct pe_json_writer *writer, const char *name, char bracket)
{
    append_name(writer, name);
    append(writer, &bracket, 1);
    writer->comma = false;
}

void pe_json_close(struct pe_json_writer *writer, char bracket)
{
    append(writer, &bracket, 1);
    writer->comma = true;
}

void pe_json_append_raw(struct pe_json_writer *writer, const char *name, const void *text, size_t size)
{
    append_name(writer, name);
    append(writer, text, size);
}

void pe_json_append_members(struct pe_json_writer *writer, const void *text, size_t size)
{
    if (size)
        pe_json_append_raw(writer, NULL, text, size);
}

void pe_json_append_bool(struct pe_json_writer *writer, const char *name, bool value)
{
    pe_json_append_raw(writer, name, value ? "true" : "false", value ? 4 : 5);
}

void pe_json_append_null(struct pe_json_writer *writer, const char *name)
{
    pe_json_append_raw(writer, name, "null", 4);
}

/* ---- texts ---- */

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* Append a character that needs an escape, or bytes beyond ASCII. Returns how many bytes of the
 * text that were. */
static size_t append_special(struct pe_json_writer *writer, const uint8_t *at, size_t left)
{
    static const char digits[] = "0123456789abcdef";
    if (*at == '"' || *at == '\\') {
        const char escape[2] = {'\\', (char)*at};
        append(writer, escape, sizeof escape);
        return 1;
    }
    if (*at < 0x80) {
        const char escape[6] = {'\\', 'u', '0', '0', digits[*at >> 4], digits[*at & 15]};
        append(writer, escape, sizeof escape);
        return 1;
    }
    size_t size = pe_utf8_sequence_size(at, left);
    append(writer, size ? (const void *)at : "\xef\xbf\xbd", size ? size : 3);
    return size ? size : 1;
}

void pe_json_append_bytes(struct pe_json_writer *writer, const char *name, const void *bytes, size_t size)
{
    const uint8_t *at = size ? bytes : "", *end = at + size; /* `bytes` may be NULL if there are none */
    append_name(writer, name);
    append(writer, "\"", 1);
    while (at < end) {
        const uint8_t *run = at;
        while (at < end && is_plain(*at))
            at++;
        append(writer, run, (size_t)(at - run));
        if (at < end)
            at += append_special(writer, at, (size_t)(end - at));
    }
    append(writer, "\"", 1);
}

void pe_json_append_text(struct pe_json_writer *writer, const char *name, const char *text)
{
    pe_json_append_bytes(writer, name, text, strlen(text));
}

/* ---- numbers ---- */

void pe_json_append_number(struct pe_json_writer *writer, const char *name, uint64_t number)
{
    append_name(writer, name);
    if (!writer->failed)
        writer->failed = pe_buf_append_number(writer->out, number, writer->err) < 0;
}

void pe_json_append_ms(struct pe_json_writer *writer, const char *name, uint64_t us)
{
    append_name(writer, name);
    if (!writer->failed)
        writer->failed = pe_buf_append_ms(writer->out, us, writer->err) < 0;
}
