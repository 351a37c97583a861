/* JSON text (RFC 8259) read in one pass, without a tree and without allocation: for the messages that come
 * with every job. The caller knows the form and asks for each value by its kind:
 *
 *     struct pe_json_reader in = pe_json_read(text, size);
 *     pe_json_enter(&in, '{');
 *     while (pe_json_next_member(&in, key, sizeof key))
 *         if (!strcmp(key, "size"))
 *             size = pe_json_parse_number(&in, SIZE_MAX);
 *         else
 *             pe_json_skip(&in);
 *     if (pe_json_ended(&in, err) < 0) …
 *
 * The first thing that is not as asked for is a fault: it is kept, all that follows yields nothing, and loops
 * end. Of members that come twice the last one counts. */
#ifndef PE_CODEC_JSON_READER_H
#define PE_CODEC_JSON_READER_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pe_json_reader {
    struct pe_cursor rest;
    const char *fault; /* what was not as asked for; NULL: all is well */
    bool first;        /* nothing of the object or array entered last has been taken */
};

struct pe_json_reader pe_json_read(const void *text, size_t size);

/* Into an object ('{') or an array ('['). */
void pe_json_enter(struct pe_json_reader *reader, char bracket);

/* Whether there is one more member or element, whose value is to be taken then; false leaves the object or
 * array. A member's name that does not fit into `key` becomes "". */
bool pe_json_next_member(struct pe_json_reader *reader, char *key, size_t size);
bool pe_json_next_element(struct pe_json_reader *reader);

/* A string, NUL-terminated. One that does not fit, or has a NUL character, is a fault; with `cut`, what does
 * not fit is left out, and may end within a character. */
void pe_json_parse_text(struct pe_json_reader *reader, char *text, size_t size);
void pe_json_parse_text_cut(struct pe_json_reader *reader, char *text, size_t size);

/* The same in memory that the caller frees: of what length, which may include NUL characters, is in `length`.
 * NULL with a fault; without memory as well. */
char *pe_json_parse_new_text(struct pe_json_reader *reader, size_t *length);

/* A whole number from 0 to `most`. */
uint64_t pe_json_parse_number(struct pe_json_reader *reader, uint64_t most);

/* A number of milliseconds, as microseconds: those below 0 or above `most` become 0. */
uint64_t pe_json_parse_ms(struct pe_json_reader *reader, uint64_t most_us);

bool pe_json_parse_bool(struct pe_json_reader *reader);

/* Whether the value is `null`, which is then taken. */
bool pe_json_parse_null(struct pe_json_reader *reader);

/* The byte that the next value begins with: '{', '[', '"', 't', 'f', 'n', '-' or a digit in JSON; -1 at the
 * end. */
int pe_json_peek(struct pe_json_reader *reader);

/* Any value, checked: its text lies in what is read. */
struct pe_cursor pe_json_parse_raw(struct pe_json_reader *reader);
void pe_json_skip(struct pe_json_reader *reader);

/* A fault that the caller found; the first one stays. */
void pe_json_fault(struct pe_json_reader *reader, const char *what);

/* The text must be at its end, and without a fault; else PE_ERR_MALFORMED. */
int pe_json_ended(struct pe_json_reader *reader, struct pe_error *err) PE_MUST_CHECK;

#endif
