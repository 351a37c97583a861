/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text (RFC 8259) written member by member into a buffer, for messages that are too frequent
 * for a JSON library. The writer inserts commas and escapes texts. Bytes that are not UTF-8 become
 * U+FFFD. Names of members are constants of the program and are not escaped. The first failure is
 * kept, and pe_json_finish reports it. */
#ifndef PE_CODEC_JSON_WRITER_H
#define PE_CODEC_JSON_WRITER_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pe_json_writer {
    struct pe_buf *out; /* borrowed */
    struct pe_error *err;
    bool failed; /* `err` says why */
    bool comma;  /* the next value is not the first of its object or array */
};

/* Begin to write. The text is appended to `out`; `err` is set by the first failure. Both outlive
 * the writer. */
struct pe_json_writer pe_json_write(struct pe_buf *out, struct pe_error *err);

/* Open an object ('{') or an array ('['). In all functions, `name` is the name of the member, or
 * NULL for an element of an array and for the outermost value. */
void pe_json_open(struct pe_json_writer *writer, const char *name, char bracket);

/* Close it with '}' or ']'. */
void pe_json_close(struct pe_json_writer *writer, char bracket);

/* Append a string. */
void pe_json_append_text(struct pe_json_writer *writer, const char *name, const char *text);

/* Append bytes as a string. They may have NUL characters. */
void pe_json_append_bytes(struct pe_json_writer *writer, const char *name, const void *bytes, size_t size);

/* Append a number, true or false, or null. */
void pe_json_append_number(struct pe_json_writer *writer, const char *name, uint64_t number);
void pe_json_append_bool(struct pe_json_writer *writer, const char *name, bool value);
void pe_json_append_null(struct pe_json_writer *writer, const char *name);

/* Append microseconds as milliseconds with three decimals. */
void pe_json_append_ms(struct pe_json_writer *writer, const char *name, uint64_t us);

/* Append a text that is a JSON value. It is not checked. */
void pe_json_append_raw(struct pe_json_writer *writer, const char *name, const void *text, size_t size);

/* Append members that are JSON text, as `"a":1,"b":2`. They are not checked. Nothing is appended if there are
 * none. */
void pe_json_append_members(struct pe_json_writer *writer, const void *text, size_t size);

/* Returns 0 if everything was written. Returns -1 if a call failed; the `err` of pe_json_write says
 * why, and the buffer has a part of the text. PE_ERR_INTERNAL without memory, PE_ERR_TOO_LARGE
 * beyond the limit of the buffer. */
int pe_json_finish(const struct pe_json_writer *writer) PE_MUST_CHECK;

#endif
