/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and repairing texts that should be UTF-8 (RFC 3629, base/utf8.h). */
#ifndef PE_CODEC_UTF8_TEXT_H
#define PE_CODEC_UTF8_TEXT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* True if all bytes are valid UTF-8. */
bool pe_utf8_valid(const void *bytes, size_t size);

/* Append the text, with U+FFFD in place of every byte that is not part of a valid sequence.
 * PE_ERR_INTERNAL without memory, PE_ERR_TOO_LARGE beyond the limit of `out`. */
int pe_utf8_append_repaired(struct pe_buf *out, const void *bytes, size_t size,
                            struct pe_error *err) PE_MUST_CHECK;

#endif
