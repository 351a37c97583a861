/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds of a JSON text that a JSON library is going to parse. As a tree of values, a text needs many
 * times its own size: two bytes, "{}", become over 200. So a text from a peer is checked before. */
#ifndef PE_CODEC_JSON_BOUNDS_H
#define PE_CODEC_JSON_BOUNDS_H

#include "base/error.h"

#include <stddef.h>

#define PE_JSON_DEPTH_MAX 64u /* arrays and objects inside of each other */

/* Check that the text has at most `values_max` values (RFC 8259 section 3), in one pass and without
 * memory. Its syntax is not checked: a text with an error counts as if the parser went on behind it.
 * PE_ERR_TOO_LARGE if it has more, PE_ERR_MALFORMED if it is nested deeper than PE_JSON_DEPTH_MAX. */
int pe_json_check_bounds(const void *text, size_t size, size_t values_max,
                         struct pe_error *err) PE_MUST_CHECK;

/* The same, and set `count` to their number, where an empty array or object counts as two. After a failure
 * `count` stays as it was. */
int pe_json_count_values(const void *text, size_t size, size_t values_max, size_t *count,
                         struct pe_error *err) PE_MUST_CHECK;

#endif
