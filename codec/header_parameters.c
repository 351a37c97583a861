/* SPDX-License-Identifier: Apache-2.0 */
/* The syntax of parameters. What a parameter means is decided by the reader of its header. */
#include "codec/header_parameters.h"

#include <string.h>
#include <strings.h>

static void skip_blanks(struct pe_cursor *cursor)
{
    while (cursor->left && (*cursor->at == ' ' || *cursor->at == '\t'))
        pe_cursor_read(cursor, 1);
}

static size_t span_until(const struct pe_cursor *cursor, const char *stops)
{
    size_t n = 0;
    while (n < cursor->left && !(cursor->at[n] && strchr(stops, cursor->at[n])))
        n++;
    return n;
}

size_t pe_parameters_begin(struct pe_cursor *cursor)
{
    size_t size = span_until(cursor, "; \t");
    pe_cursor_read(cursor, size);
    return size;
}

/* ---- quoted strings ---- */

/* The size of a quoted string up to its first quote without a backslash. False if it has none, or if
 * more text than the end of a parameter follows. */
static bool span_escaped(const struct pe_cursor *cursor, size_t *size)
{
    size_t n = 0;
    while (n < cursor->left && cursor->at[n] != '"')
        n += cursor->at[n] == '\\' ? 2 : 1;
    *size = n;
    return n < cursor->left && (n + 1 == cursor->left || strchr("; \t", cursor->at[n + 1]));
}

/* Read a quoted string whose first quote was read. */
static int read_quoted(struct pe_cursor *cursor, struct pe_parameter *parameter)
{
    parameter->value = (const char *)cursor->at;
    parameter->has_escapes = span_escaped(cursor, &parameter->value_size);
    if (!parameter->has_escapes)
        return pe_cursor_read_until(cursor, '"', &parameter->value_size) ? 1 : -1;
    pe_cursor_read(cursor, parameter->value_size + 1);
    return 1;
}

int pe_parameter_next(struct pe_cursor *cursor, struct pe_parameter *parameter)
{
    *parameter = (struct pe_parameter){0};
    skip_blanks(cursor);
    if (!cursor->left)
        return 0;
    if (*pe_cursor_read(cursor, 1) != ';')
        return -1;
    skip_blanks(cursor);
    parameter->name_size = span_until(cursor, "=; \t");
    parameter->name = (const char *)pe_cursor_read(cursor, parameter->name_size);
    if (!cursor->left || *cursor->at != '=' || parameter->name_size == 0)
        return -1;
    pe_cursor_read(cursor, 1);
    if (cursor->left && *cursor->at == '"') {
        pe_cursor_read(cursor, 1);
        return read_quoted(cursor, parameter);
    }
    parameter->value_size = span_until(cursor, "; \t");
    parameter->value = (const char *)pe_cursor_read(cursor, parameter->value_size);
    return 1;
}

bool pe_parameter_is(const struct pe_parameter *parameter, const char *name)
{
    return parameter->name_size == strlen(name) && !strncasecmp(parameter->name, name, parameter->name_size);
}

char pe_parameter_read(const struct pe_parameter *parameter, size_t *at)
{
    const char *value = parameter->value + *at;
    size_t left = parameter->value_size - *at;
    bool is_pair =
        parameter->has_escapes && left > 1 && *value == '\\' && (value[1] == '"' || value[1] == '\\');
    *at += is_pair ? 2 : 1;
    return value[is_pair];
}

/* ---- extended values ---- */

static const char hex_digits[] = "0123456789ABCDEF";

static int hex_value(char digit)
{
    const char *at = digit >= 'a' && digit <= 'f' ? strchr(hex_digits, digit - 'a' + 'A')
                     : digit                      ? strchr(hex_digits, digit)
                                                  : NULL;
    return at ? (int)(at - hex_digits) : -1;
}

/* attr-char of RFC 8187 section 3.2.1. */
static bool stands_for_itself(char c)
{
    bool is_alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return is_alphanumeric || (c && strchr("!#$&+-.^_`|~", c));
}

/* Decode the byte at `*at` and move `*at` behind it. Returns NULL, or what is wrong with it. */
static const char *decode_byte(const char **at, const char *end, char *byte)
{
    *byte = *(*at)++;
    if (*byte != '%')
        return NULL; /* also if RFC 8187 wants another form for this byte */
    int high = end - *at >= 2 ? hex_value((*at)[0]) : -1, low = high >= 0 ? hex_value((*at)[1]) : -1;
    if (low < 0)
        return "has a % without two hexadecimal digits";
    *byte = (char)(high << 4 | low);
    *at += 2;
    return NULL;
}

/* The position behind the character set and the language; NULL if they have another form. */
static const char *skip_charset(const struct pe_parameter *parameter)
{
    static const char charset[] = "UTF-8'";
    size_t size = sizeof charset - 1;
    if (parameter->value_size < size || strncasecmp(parameter->value, charset, size) != 0)
        return NULL;
    const char *quote = memchr(parameter->value + size, '\'', parameter->value_size - size);
    return quote ? quote + 1 : NULL;
}

int pe_parameter_decode_extended(const struct pe_parameter *parameter, char *bytes, size_t room, size_t *size,
                                 struct pe_error *err)
{
    const char *at = skip_charset(parameter), *end = parameter->value + parameter->value_size;
    *size = 0;
    if (!at)
        return pe_fail(err, PE_ERR_MALFORMED, "does not begin with UTF-8''");
    while (at < end) {
        char byte = '\0';
        const char *fault = decode_byte(&at, end, &byte);
        if (fault)
            return pe_fail(err, PE_ERR_MALFORMED, "%s", fault);
        if (*size == room)
            return pe_fail(err, PE_ERR_TOO_LARGE, "has more than %zu bytes", room);
        bytes[(*size)++] = byte;
    }
    return 0;
}

int pe_parameter_append_extended(struct pe_buf *out, const void *bytes, size_t size, struct pe_error *err)
{
    const char *text = bytes;
    if (pe_buf_append_text(out, "UTF-8''", err) < 0)
        return -1;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        const char escape[] = {'%', hex_digits[byte >> 4], hex_digits[byte & 15]};
        bool is_plain = stands_for_itself(text[i]);
        if (pe_buf_append(out, is_plain ? &text[i] : escape, is_plain ? 1 : sizeof escape, err) < 0)
            return -1;
    }
    return 0;
}
