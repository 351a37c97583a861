/* SPDX-License-Identifier: Apache-2.0 */
/* Byte buffers that know their bounds. pe_buf grows up to a limit; pe_cursor reads untrusted bytes.
 */
#ifndef PE_BASE_BUFFER_H
#define PE_BASE_BUFFER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A growable array of bytes. A zero-initialised buffer is empty and has no limit. */
struct pe_buf {
    uint8_t *data;   /* owned */
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated, never more than the limit */
    size_t limit;    /* 0: none. Appending beyond it fails with PE_ERR_TOO_LARGE. */
};

/* Free the content. The buffer is then empty and keeps its limit. */
void pe_buf_free(struct pe_buf *buf);
#define pe_autobuf __attribute__((cleanup(pe_buf_free)))

/* Make room for `size` more bytes at buf->data + buf->size. The caller writes them and adds their
 * number to buf->size. PE_ERR_TOO_LARGE beyond the limit, PE_ERR_INTERNAL without memory. */
int pe_buf_reserve(struct pe_buf *buf, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* Append bytes. PE_ERR_TOO_LARGE beyond the limit, PE_ERR_INTERNAL without memory. The function is
 * inline because texts are composed of many small pieces, and there is room for most of them. */
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

/* Append a text without its NUL. Fails as pe_buf_append does. */
static inline PE_MUST_CHECK int pe_buf_append_text(struct pe_buf *buf, const char *text, struct pe_error *err)
{
    return pe_buf_append(buf, text, strlen(text), err);
}

/* Append formatted text without a NUL. Fails as pe_buf_append does. */
int pe_buf_printf(struct pe_buf *buf, struct pe_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4))) PE_MUST_CHECK;

/* Append a number in decimal. Fails as pe_buf_append does. */
int pe_buf_append_number(struct pe_buf *buf, uint64_t number, struct pe_error *err) PE_MUST_CHECK;

/* Append microseconds as milliseconds with three decimals: 1500 is "1.500". Fails as pe_buf_append
 * does. */
int pe_buf_append_ms(struct pe_buf *buf, uint64_t us, struct pe_error *err) PE_MUST_CHECK;

/* Remove the first `size` bytes. The others move to the front. */
void pe_buf_consume(struct pe_buf *buf, size_t size);

/* A read position in untrusted bytes. The bytes belong to somebody else. */
struct pe_cursor {
    const uint8_t *at;
    size_t left; /* bytes */
};

/* Read `size` bytes. Returns a pointer to them, or NULL if fewer are left; the cursor then does not
 * move. */
const uint8_t *pe_cursor_read(struct pe_cursor *cursor, size_t size);

/* Read up to the next `delimiter` byte and skip it. Returns the bytes before it, whose number is in
 * `*size`, or NULL if there is no delimiter; the cursor then does not move. */
const uint8_t *pe_cursor_read_until(struct pe_cursor *cursor, uint8_t delimiter, size_t *size);

#endif
