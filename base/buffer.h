/* Byte buffers that know their bounds: pe_buf grows up to a limit, pe_cursor reads untrusted bytes. */
#ifndef PE_BASE_BUFFER_H
#define PE_BASE_BUFFER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A growable array of bytes. Zero-initialised it is empty and has no limit. */
struct pe_buf {
    uint8_t *data;   /* owned */
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated, never more than the limit */
    size_t limit;    /* 0: none; appending past it fails with PE_ERR_TOO_LARGE */
};

void pe_buf_free(struct pe_buf *buf);
#define pe_autobuf __attribute__((cleanup(pe_buf_free)))

/* Room for `size` more bytes at data + buf->size, which the caller fills and then counts into buf->size. */
int pe_buf_reserve(struct pe_buf *buf, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* Append bytes; fails with PE_ERR_TOO_LARGE past the limit and PE_ERR_INTERNAL without memory. Inline: texts
 * are put together of many small pieces, for most of which there is room. */
static inline PE_MUST_CHECK int pe_buf_append(struct pe_buf *buf, const void *bytes, size_t size,
                                              struct pe_error *err)
{
    if (size > buf->capacity - buf->size && pe_buf_reserve(buf, size, err) < 0)
        return -1;
    if (size)
        memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    return 0;
}

static inline PE_MUST_CHECK int pe_buf_append_text(struct pe_buf *buf, const char *text, struct pe_error *err)
{
    return pe_buf_append(buf, text, strlen(text), err);
}

int pe_buf_printf(struct pe_buf *buf, struct pe_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4))) PE_MUST_CHECK;

/* In decimal; and microseconds as milliseconds with three decimals. */
int pe_buf_append_number(struct pe_buf *buf, uint64_t number, struct pe_error *err) PE_MUST_CHECK;
int pe_buf_append_ms(struct pe_buf *buf, uint64_t us, struct pe_error *err) PE_MUST_CHECK;

/* Drop the first `size` bytes. */
void pe_buf_consume(struct pe_buf *buf, size_t size);

/* A read position in bytes that somebody else owns and that nobody trusts. */
struct pe_cursor {
    const uint8_t *at;
    size_t left; /* bytes */
};

/* Take `size` bytes: a pointer to them, or NULL when fewer are left (the cursor then stays where it is). */
const uint8_t *pe_cursor_read(struct pe_cursor *cursor, size_t size);

/* Take up to and over the next `delimiter` byte; `*size` excludes it. NULL when there is none. */
const uint8_t *pe_cursor_read_until(struct pe_cursor *cursor, uint8_t delimiter, size_t *size);

#endif
