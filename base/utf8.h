/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 defines it: shortest forms only, no surrogates, nothing above U+10FFFF. */
#ifndef PE_BASE_UTF8_H
#define PE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length in bytes of the valid sequence at `at`, where `left` bytes are readable, at least 1. 0
 * if there is no valid sequence (RFC 3629 section 4). */
size_t pe_utf8_sequence_size(const uint8_t *at, size_t left);

/* How many of the last bytes are the beginning of a character whose end is missing: 0 to 3. Text
 * that was cut at a number of bytes ends with a character without them. */
size_t pe_utf8_unfinished_size(const uint8_t *bytes, size_t size);

#endif
