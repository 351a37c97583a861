/* SPDX-License-Identifier: Apache-2.0 */
/* Flat text: one `key=value` a line, keys of [a-z0-9_.]+, values without NUL. In a value, `\n`
 * stands for a newline and `\\` for a backslash. A key may occur several times. The form is simple
 * enough for a static program that runs as PID 1. */
#ifndef PE_CODEC_FLAT_H
#define PE_CODEC_FLAT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define PE_FLAT_VALUE_MAX 4096u /* bytes of one decoded value, with the NUL */

struct pe_flat_entry {
    char key[32];
    char value[PE_FLAT_VALUE_MAX];
};

/* Append one entry, its value escaped. The key is not checked. Fails as pe_buf_append does. */
int pe_flat_append(struct pe_buf *out, const char *key, const char *value,
                   struct pe_error *err) PE_MUST_CHECK;

/* Append one entry whose value is a decimal number. Fails as pe_buf_append does. */
int pe_flat_append_u64(struct pe_buf *out, const char *key, uint64_t value,
                       struct pe_error *err) PE_MUST_CHECK;

/* Read the next entry. Returns 1 if there is one and 0 at the end; PE_ERR_MALFORMED if the text is
 * not flat text or a value does not fit. */
int pe_flat_next(struct pe_cursor *cursor, struct pe_flat_entry *entry, struct pe_error *err) PE_MUST_CHECK;

/* A key whose value is a number: its greatest value, and where the number goes. */
struct pe_flat_number {
    const char *key;
    uint64_t max;
    uint64_t *value;
    bool found; /* set by pe_flat_parse_number */
};

/* If the entry's key is one of `count` numbers, parse its value. Returns 1 if it is and 0 if it is
 * not; PE_ERR_MALFORMED if the value is not a decimal number or greater than the key's maximum. */
int pe_flat_parse_number(const struct pe_flat_entry *entry, struct pe_flat_number *numbers, size_t count,
                         struct pe_error *err) PE_MUST_CHECK;

#endif
