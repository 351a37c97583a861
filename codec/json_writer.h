/* JSON text (RFC 8259) written member by member straight into a buffer: for the messages and results that
 * come with every job, where a tree of values would cost more than everything else. The writer puts the
 * commas; names of members are ours and go out as they are, texts are escaped, and bytes that are no UTF-8
 * become U+FFFD. The first failure (no memory, the buffer's limit) is kept until pe_json_finish. */
#ifndef PE_CODEC_JSON_WRITER_H
#define PE_CODEC_JSON_WRITER_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pe_json_writer {
    struct pe_buf *out; /* appended to, borrowed */
    struct pe_error *err;
    bool failed; /* as `err` says */
    bool comma;  /* the next value is not the first of its object or array */
};

struct pe_json_writer pe_json_write(struct pe_buf *out, struct pe_error *err);

/* `name` is NULL for what is an array's element or the whole text. `bracket`: '{' or '[', '}' or ']'. */
void pe_json_open(struct pe_json_writer *writer, const char *name, char bracket);
void pe_json_close(struct pe_json_writer *writer, char bracket);

void pe_json_append_text(struct pe_json_writer *writer, const char *name, const char *text);
void pe_json_append_number(struct pe_json_writer *writer, const char *name, uint64_t number);
void pe_json_append_bool(struct pe_json_writer *writer, const char *name, bool value);
void pe_json_append_null(struct pe_json_writer *writer, const char *name);

/* Microseconds, as milliseconds with three decimals. */
void pe_json_append_ms(struct pe_json_writer *writer, const char *name, uint64_t us);

/* Text that is a JSON value already. */
void pe_json_append_raw(struct pe_json_writer *writer, const char *name, const void *text, size_t size);

/* Negative: a call failed, `err` of pe_json_write says why, and the buffer holds a part of the text. */
int pe_json_finish(const struct pe_json_writer *writer) PE_MUST_CHECK;

#endif
