/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text (RFC 8259) read in one pass, without a tree and without allocation, for messages that
 * are too frequent for a JSON library. The caller knows the form and asks for each value by its
 * kind:
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
 * The first part of the text that does not have the expected form is a fault. The reader keeps it.
 * From then on all functions return 0, false or empty values, so that loops end. If a member occurs
 * twice, the last one counts. */
#ifndef PE_CODEC_JSON_READER_H
#define PE_CODEC_JSON_READER_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pe_json_reader {
    struct pe_cursor rest;
    const char *fault; /* the first fault; NULL: none */
    bool first;        /* nothing of the object or array that was entered last has been read */
};

/* Begin to read a text, which must outlive the reader. */
struct pe_json_reader pe_json_read(const void *text, size_t size);

/* Enter an object ('{') or an array ('['). */
void pe_json_enter(struct pe_json_reader *reader, char bracket);

/* True if the object or array has one more member or element. The caller reads its value next.
 * False at the end, and the object or array is then left. A name that does not fit into `key`, a
 * buffer of `size` bytes, becomes "". */
bool pe_json_next_member(struct pe_json_reader *reader, char *key, size_t size);
bool pe_json_next_element(struct pe_json_reader *reader);

/* Read a string into `text`, a buffer of `size` bytes, and terminate it with NUL. A string that
 * does not fit or has a NUL character is a fault. */
void pe_json_parse_text(struct pe_json_reader *reader, char *text, size_t size);

/* The same, but a string that does not fit is cut behind a whole character. */
void pe_json_parse_text_cut(struct pe_json_reader *reader, char *text, size_t size);

/* Read a string into new memory, which the caller frees. It may have NUL characters; `*length` is
 * its length in bytes without the final NUL. Returns NULL after a fault. No memory is a fault, too.
 */
char *pe_json_parse_new_text(struct pe_json_reader *reader, size_t *length);

/* Read an integer from 0 to `most`. */
uint64_t pe_json_parse_number(struct pe_json_reader *reader, uint64_t most);

/* Read a number of milliseconds and return microseconds. A number below 0 or above `most_us`
 * becomes 0. */
uint64_t pe_json_parse_ms(struct pe_json_reader *reader, uint64_t most_us);

/* Read true or false. */
bool pe_json_parse_bool(struct pe_json_reader *reader);

/* If the next value is null, skip it and return true. */
bool pe_json_parse_null(struct pe_json_reader *reader);

/* The first byte of the next value, which is not read: '{', '[', '"', 't', 'f', 'n', '-' or a digit
 * in valid JSON. -1 at the end of the text. */
int pe_json_peek(struct pe_json_reader *reader);

/* Read any value and check its syntax. Returns its text, which is part of the text that is read. Strings in
 * it may have NUL characters. */
struct pe_cursor pe_json_parse_raw(struct pe_json_reader *reader);

/* Read any value, check its syntax and ignore it. */
void pe_json_skip(struct pe_json_reader *reader);

/* What follows a byte order mark, with which programs of Windows begin a text, and which a reader may ignore
 * (RFC 8259 section 8.1). Without one, the whole text. */
struct pe_cursor pe_json_behind_mark(const void *json, size_t size);

/* Report a fault that the caller has found. `what` is a constant text. The first fault stays. */
void pe_json_fault(struct pe_json_reader *reader, const char *what);

/* End reading. PE_ERR_MALFORMED names the first fault, if there is one. Text behind the value is a
 * fault. */
int pe_json_ended(struct pe_json_reader *reader, struct pe_error *err) PE_MUST_CHECK;

#endif
