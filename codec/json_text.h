/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a JSON string, piece by piece: for texts and bytes that are too large to be encoded at
 * once. The caller writes the quotes. */
#ifndef PE_CODEC_JSON_TEXT_H
#define PE_CODEC_JSON_TEXT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>

/* Append text with its escapes until `out` has at least `size_max` bytes or the text has ended. At
 * most 6 bytes are beyond `size_max`. `text` moves behind what was appended. A byte that is not part
 * of valid UTF-8 becomes U+FFFD. Fails as pe_buf_append does. */
int pe_json_append_escaped(struct pe_buf *out, struct pe_cursor *text, size_t size_max,
                           struct pe_error *err) PE_MUST_CHECK;

/* The same with base64 (RFC 4648 section 4). At most 4 bytes are beyond `size_max`. Fails in the same
 * way. */
int pe_json_append_base64(struct pe_buf *out, struct pe_cursor *bytes, size_t size_max,
                          struct pe_error *err) PE_MUST_CHECK;

#endif
