/* Flat key=value text, the form of `job` (host to guest) and `result` (guest to host): one `key=value` a
 * line, keys [a-z0-9_.]+, values without NUL or newline; `\n` and `\\` stand for the two. A key may come
 * several times. Simple enough to read in a static init; used by host and guest alike. */
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

/* Append one entry. Text is escaped. */
int pe_flat_append(struct pe_buf *out, const char *key, const char *value,
                   struct pe_error *err) PE_MUST_CHECK;
int pe_flat_append_u64(struct pe_buf *out, const char *key, uint64_t value,
                       struct pe_error *err) PE_MUST_CHECK;

/* Read the next entry: 1 when there is one, 0 at the end, PE_ERR_MALFORMED otherwise. */
int pe_flat_next(struct pe_cursor *cursor, struct pe_flat_entry *entry, struct pe_error *err) PE_MUST_CHECK;

/* An entry's value as a decimal number of at most `max`. */
int pe_flat_u64(const struct pe_flat_entry *entry, uint64_t max, uint64_t *value,
                struct pe_error *err) PE_MUST_CHECK;

#endif
