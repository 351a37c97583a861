/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of MIME headers, as in `form-data; name="file"; filename*=UTF-8''a%22b`: RFC 2045
 * section 5.1, RFC 9110 section 5.6.6, RFC 8187. The bytes that are read are untrusted. */
#ifndef PE_CODEC_HEADER_PARAMETERS_H
#define PE_CODEC_HEADER_PARAMETERS_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct pe_parameter {
    const char *name, *value; /* in the text that is read; the value is without its quotes */
    size_t name_size, value_size;
    bool has_escapes; /* the value is a quoted string, in which a backslash escapes a quote */
};

/* Read the text in front of the parameters: the media type or the kind of disposition. Returns its
 * size; the text itself begins where the cursor was. */
size_t pe_parameters_begin(struct pe_cursor *cursor);

/* Read the next parameter. Returns 1, 0 at the end, and -1 if the text is not a parameter. A quoted
 * string ends at the first quote without a backslash in front of it. If this is not the end of a
 * parameter, the string ends at its first quote: browsers do not escape backslashes, so they send
 * `filename="a\"` for `a\`. */
int pe_parameter_next(struct pe_cursor *cursor, struct pe_parameter *parameter);

/* Whether a parameter has this name. Upper and lower case are the same. */
bool pe_parameter_is(const struct pe_parameter *parameter, const char *name);

/* Read the next byte of the value of `parameter` at `*at`, which is less than value_size, and move
 * `*at` behind it. `\"` is a quote and `\\` a backslash. Any other backslash stands for itself,
 * because browsers and curl do not escape it. */
char pe_parameter_read(const struct pe_parameter *parameter, size_t *at);

/* Decode the value of a parameter whose name ends with `*` (RFC 8187): a character set, which must
 * be UTF-8, a language, and bytes, some of them as %XX. The bytes are written to `bytes`, which has
 * room for `room`, and their number to `*size`. They are not checked to be UTF-8. PE_ERR_MALFORMED
 * if the value has another form, PE_ERR_TOO_LARGE without room. */
int pe_parameter_decode_extended(const struct pe_parameter *parameter, char *bytes, size_t room, size_t *size,
                                 struct pe_error *err) PE_MUST_CHECK;

/* Append bytes in the form that pe_parameter_decode_extended reads. Fails as pe_buf_append does. */
int pe_parameter_append_extended(struct pe_buf *out, const void *bytes, size_t size,
                                 struct pe_error *err) PE_MUST_CHECK;

#endif
