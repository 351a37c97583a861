/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes and base64. */
#include "codec/json_text.h"

#include "base/utf8.h"

#include <stdbool.h>

/* ---- text ---- */

/* True for the ASCII characters that need no escape in a string (RFC 8259 section 7). */
static const bool plain[256] = {
    [0x20 ... '"' - 1] = true, ['"' + 1 ... '\\' - 1] = true, ['\\' + 1 ... 0x7f] = true};

/* How many bytes at the front need no escape, up to `most` or to the end of the character there. */
static size_t plain_size(struct pe_cursor text, size_t most)
{
    const uint8_t *at = text.at, *end = at + text.left, *stop = at + (most < text.left ? most : text.left);
    while (at < stop) {
        size_t size = plain[*at] ? 1 : *at >= 0x80 ? pe_utf8_sequence_size(at, (size_t)(end - at)) : 0;
        if (size == 0)
            break;
        at += size;
    }
    return (size_t)(at - text.at);
}

/* A byte that is not plain: one that has an escape, or one that is not UTF-8. */
static int append_special(struct pe_buf *out, uint8_t byte, struct pe_error *err)
{
    static const char digits[] = "0123456789abcdef";
    static const char names[256] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (byte >= 0x80)
        return pe_buf_append(out, "\xef\xbf\xbd", 3, err);
    const char named[2] = {'\\', names[byte]};
    if (names[byte])
        return pe_buf_append(out, named, sizeof named, err);
    const char escape[6] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
    return pe_buf_append(out, escape, sizeof escape, err);
}

int pe_json_append_escaped(struct pe_buf *out, struct pe_cursor *text, size_t size_max, struct pe_error *err)
{
    while (text->left && out->size < size_max) {
        size_t size = plain_size(*text, size_max - out->size);
        if (pe_buf_append(out, text->at, size, err) < 0)
            return -1;
        pe_cursor_read(text, size);
        if (!text->left || out->size >= size_max)
            break;
        const uint8_t byte = *text->at;
        if (append_special(out, byte, err) < 0)
            return -1;
        pe_cursor_read(text, 1);
    }
    return 0;
}

/* ---- base64 ---- */

static void encode_group(const uint8_t *bytes, size_t size, uint8_t out[4])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned group = (unsigned)bytes[0] << 16 | (size > 1 ? (unsigned)bytes[1] << 8 : 0) |
                     (size > 2 ? (unsigned)bytes[2] : 0);
    out[0] = (uint8_t)digits[group >> 18];
    out[1] = (uint8_t)digits[group >> 12 & 63];
    out[2] = size > 1 ? (uint8_t)digits[group >> 6 & 63] : '=';
    out[3] = size > 2 ? (uint8_t)digits[group & 63] : '=';
}

int pe_json_append_base64(struct pe_buf *out, struct pe_cursor *bytes, size_t size_max, struct pe_error *err)
{
    size_t groups = bytes->left / 3 + (bytes->left % 3 > 0);
    size_t room = out->size < size_max ? (size_max - out->size - 1) / 4 + 1 : 0;
    groups = groups < room ? groups : room;
    if (pe_buf_reserve(out, groups * 4, err) < 0)
        return -1;
    for (size_t i = 0; i < groups; i++) {
        size_t size = bytes->left < 3 ? bytes->left : 3;
        encode_group(bytes->at, size, out->data + out->size);
        out->size += 4;
        pe_cursor_read(bytes, size);
    }
    return 0;
}
