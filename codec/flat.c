/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding of flat text. The decoder assumes hostile bytes. */
#include "codec/flat.h"

#include <string.h>

int pe_flat_append(struct pe_buf *out, const char *key, const char *value, struct pe_error *err)
{
    if (pe_buf_append_text(out, key, err) < 0 || pe_buf_append(out, "=", 1, err) < 0)
        return -1;
    for (const char *c = value; *c; c++) {
        const char *escape = *c == '\n' ? "\\n" : *c == '\\' ? "\\\\" : NULL;
        if (pe_buf_append(out, escape ? escape : c, escape ? 2 : 1, err) < 0)
            return -1;
    }
    return pe_buf_append(out, "\n", 1, err);
}

int pe_flat_append_u64(struct pe_buf *out, const char *key, uint64_t value, struct pe_error *err)
{
    return pe_buf_printf(out, err, "%s=%llu\n", key, (unsigned long long)value);
}

static int unescape(const uint8_t *from, size_t size, struct pe_flat_entry *entry, struct pe_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = from[i];
        if (c == '\0')
            return pe_fail(err, PE_ERR_MALFORMED, "value of '%s' has a NUL byte", entry->key);
        if (c == '\\') {
            if (++i == size || (from[i] != 'n' && from[i] != '\\'))
                return pe_fail(err, PE_ERR_MALFORMED, "value of '%s' has a broken escape", entry->key);
            c = from[i] == 'n' ? '\n' : '\\';
        }
        if (n + 1 >= sizeof entry->value)
            return pe_fail(err, PE_ERR_MALFORMED, "value of '%s' is too long", entry->key);
        entry->value[n++] = (char)c;
    }
    entry->value[n] = '\0';
    return 0;
}

static bool is_key_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

int pe_flat_next(struct pe_cursor *cursor, struct pe_flat_entry *entry, struct pe_error *err)
{
    if (!cursor->left)
        return 0;
    size_t size = 0;
    const uint8_t *line = pe_cursor_read_until(cursor, '\n', &size);
    if (!line)
        return pe_fail(err, PE_ERR_MALFORMED, "last line has no end");
    const uint8_t *equals = memchr(line, '=', size);
    size_t key_size = equals ? (size_t)(equals - line) : 0;
    if (key_size == 0 || key_size >= sizeof entry->key)
        return pe_fail(err, PE_ERR_MALFORMED, "line without a key");
    for (size_t i = 0; i < key_size; i++)
        if (!is_key_character(line[i]))
            return pe_fail(err, PE_ERR_MALFORMED, "line with a malformed key");
    memcpy(entry->key, line, key_size);
    entry->key[key_size] = '\0';
    return unescape(equals + 1, size - key_size - 1, entry, err) < 0 ? -1 : 1;
}

static int parse_u64(const struct pe_flat_entry *entry, uint64_t max, uint64_t *value, struct pe_error *err)
{
    uint64_t number = 0;
    const char *c = entry->value;
    do {
        if (*c < '0' || *c > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*c - '0'), &number))
            return pe_fail(err, PE_ERR_MALFORMED, "'%s' is not a number", entry->key);
    } while (*++c);
    if (number > max)
        return pe_fail(err, PE_ERR_MALFORMED, "'%s' is out of range", entry->key);
    *value = number;
    return 0;
}

int pe_flat_parse_number(const struct pe_flat_entry *entry, struct pe_flat_number *numbers, size_t count,
                         struct pe_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(numbers[i].key, entry->key)) {
            numbers[i].found = true;
            return parse_u64(entry, numbers[i].max, numbers[i].value, err) < 0 ? -1 : 1;
        }
    return 0;
}
