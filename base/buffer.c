/* SPDX-License-Identifier: Apache-2.0 */
/* Growable buffers and bounded cursors. No I/O. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pe_buf_free(struct pe_buf *buf)
{
    free(buf->data);
    *buf = (struct pe_buf){.limit = buf->limit};
}

int pe_buf_reserve(struct pe_buf *buf, size_t size, struct pe_error *err)
{
    size_t wanted = 0;
    if (__builtin_add_overflow(buf->size, size, &wanted) || (buf->limit && wanted > buf->limit))
        return pe_fail(err, PE_ERR_TOO_LARGE, "more than %zu bytes", buf->limit);
    if (wanted <= buf->capacity)
        return 0;
    size_t capacity = buf->capacity ? buf->capacity : 256;
    while (capacity < wanted)
        capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;
    if (buf->limit && capacity > buf->limit)
        capacity = buf->limit;
    uint8_t *data = realloc(buf->data, capacity);
    if (!data)
        return pe_fail_errno(err, "out of memory for %zu bytes", capacity);
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int pe_buf_printf(struct pe_buf *buf, struct pe_error *err, const char *format, ...)
{
    /* Mostly there is room already: the first attempt both measures and writes. */
    size_t room = buf->capacity - buf->size;
    va_list args;
    va_start(args, format);
    int needed = vsnprintf(room ? (char *)buf->data + buf->size : NULL, room, format, args);
    va_end(args);
    if (needed < 0)
        return pe_fail_errno(err, "cannot format a text");
    if ((size_t)needed < room && (!buf->limit || buf->size + (size_t)needed < buf->limit)) {
        buf->size += (size_t)needed;
        return 0;
    }
    /* vsnprintf writes a NUL as well: room for it, but it is not counted. */
    if (pe_buf_reserve(buf, (size_t)needed + 1, err) < 0)
        return -1;
    va_start(args, format);
    vsnprintf((char *)buf->data + buf->size, (size_t)needed + 1, format, args);
    va_end(args);
    buf->size += (size_t)needed;
    return 0;
}

/* ---- numbers: they are in every message and log line, and printf takes its time ---- */

enum { DIGITS_MAX = 20 }; /* of 2^64 */

/* Decimal digits before `end`; returns the first. */
static char *digits_before(char *end, uint64_t number)
{
    do
        *--end = (char)('0' + number % 10);
    while (number /= 10);
    return end;
}

int pe_buf_append_number(struct pe_buf *buf, uint64_t number, struct pe_error *err)
{
    char text[DIGITS_MAX], *end = text + sizeof text;
    const char *first = digits_before(end, number);
    return pe_buf_append(buf, first, (size_t)(end - first), err);
}

int pe_buf_append_ms(struct pe_buf *buf, uint64_t us, struct pe_error *err)
{
    char text[DIGITS_MAX + 4], *end = text + sizeof text;
    char *point =
        digits_before(end, 1000 + us % 1000); /* a fourth digit keeps the zeros: the point's place */
    *point = '.';
    const char *first = digits_before(point, us / 1000);
    return pe_buf_append(buf, first, (size_t)(end - first), err);
}

void pe_buf_consume(struct pe_buf *buf, size_t size)
{
    if (size > buf->size)
        size = buf->size;
    if (size && size < buf->size)
        memmove(buf->data, buf->data + size, buf->size - size);
    buf->size -= size;
}

const uint8_t *pe_cursor_read(struct pe_cursor *cursor, size_t size)
{
    if (size > cursor->left)
        return NULL;
    const uint8_t *bytes = cursor->at;
    cursor->at += size;
    cursor->left -= size;
    return bytes;
}

const uint8_t *pe_cursor_read_until(struct pe_cursor *cursor, uint8_t delimiter, size_t *size)
{
    const uint8_t *end = cursor->left ? memchr(cursor->at, delimiter, cursor->left) : NULL;
    if (!end)
        return NULL;
    *size = (size_t)(end - cursor->at);
    return pe_cursor_read(cursor, *size + 1) ? end - *size : NULL;
}
