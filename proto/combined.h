/* SPDX-License-Identifier: Apache-2.0 */
/* Stdout and stderr in one buffer, in the order in which they were written. A write can end inside of
 * a UTF-8 character, and the other stream can be written to before the rest comes. So the beginning
 * of a character is held back until its end is there: then text stays text. */
#ifndef PE_PROTO_COMBINED_H
#define PE_PROTO_COMBINED_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>

/* `added` bytes were appended to `stream`. Append what is complete to `combined`. `*held` is how many
 * of the last bytes of `stream` are held back; 0 at first. Fails as pe_buf_append does. */
int pe_combined_append(struct pe_buf *combined, const struct pe_buf *stream, size_t added, size_t *held,
                       struct pe_error *err) PE_MUST_CHECK;

/* Nothing follows in `stream`: append what is held back. Fails as pe_buf_append does. */
int pe_combined_finish(struct pe_buf *combined, const struct pe_buf *stream, size_t *held,
                       struct pe_error *err) PE_MUST_CHECK;

#endif
