/* SPDX-License-Identifier: Apache-2.0 */
/* The parser and the writer of multipart/form-data. The parser needs one pass and does not allocate
 * memory. */
#include "codec/multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The most bytes of the header lines of a part. A browser needs less than 1.5 KiB for the longest
 * name. */
#define HEADERS_MAX 8192u

static int malformed(struct pe_error *err, const char *what)
{
    return pe_fail(err, PE_ERR_MALFORMED, "multipart body: %s", what);
}

/* ---- parameters of a header: "; name=value" or "; name="value"" ---- */

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

struct parameter {
    const char *name, *value;
    size_t name_size, value_size;
};

/* Parse the next parameter. Returns 1, 0 at the end, and -1 if the text is not a parameter. */
static int next_parameter(struct pe_cursor *cursor, struct parameter *parameter)
{
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
        parameter->value = (const char *)cursor->at;
        return pe_cursor_read_until(cursor, '"', &parameter->value_size) ? 1 : -1;
    }
    parameter->value_size = span_until(cursor, "; \t");
    parameter->value = (const char *)pe_cursor_read(cursor, parameter->value_size);
    return 1;
}

static bool parameter_is(const struct parameter *parameter, const char *name)
{
    return parameter->name_size == strlen(name) && !strncasecmp(parameter->name, name, parameter->name_size);
}

/* ---- reading ---- */

static bool boundary_valid(const char *boundary, size_t size)
{
    static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'()+_,-./:=? ";
    if (size == 0 || size > PE_BOUNDARY_MAX || boundary[size - 1] == ' ')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!boundary[i] || !strchr(set, boundary[i]))
            return false;
    return true;
}

static int set_boundary(struct pe_form *form, const char *content_type, size_t size, struct pe_error *err)
{
    struct pe_cursor cursor = {.at = (const uint8_t *)content_type, .left = size};
    size_t type_size = span_until(&cursor, "; \t");
    if (type_size != 19 || strncasecmp(content_type, "multipart/form-data", 19) != 0)
        return pe_fail(err, PE_ERR_MALFORMED, "Content-Type must be multipart/form-data");
    pe_cursor_read(&cursor, type_size);
    struct parameter parameter;
    while (next_parameter(&cursor, &parameter) > 0) {
        if (!parameter_is(&parameter, "boundary"))
            continue;
        if (!boundary_valid(parameter.value, parameter.value_size))
            break;
        form->delimiter_size = (size_t)snprintf(form->delimiter, sizeof form->delimiter, "\r\n--%.*s",
                                                (int)parameter.value_size, parameter.value);
        return 0;
    }
    return pe_fail(err, PE_ERR_MALFORMED, "Content-Type has no valid boundary parameter");
}

/* Parse what follows a delimiter: "--" ends the form, and CRLF starts a part. */
static int after_delimiter(struct pe_form *form, struct pe_error *err)
{
    const uint8_t *two = pe_cursor_read(&form->rest, 2);
    if (two && two[0] == '-' && two[1] == '-') {
        form->ended = true; /* the rest is an epilogue, which is ignored: RFC 2046 section 5.1.1 */
        return 0;
    }
    if (two && two[0] == '\r' && two[1] == '\n')
        return 0;
    return malformed(err, "a boundary is not followed by a line end");
}

int pe_form_init(struct pe_form *form, const char *content_type, size_t content_type_size, const void *body,
                 size_t size, struct pe_error *err)
{
    *form = (struct pe_form){.rest = {.at = body, .left = size}};
    if (set_boundary(form, content_type, content_type_size, err) < 0)
        return -1;
    /* The first delimiter is at the start of the body, without a CRLF in front. */
    const uint8_t *first = pe_cursor_read(&form->rest, form->delimiter_size - 2);
    if (!first || memcmp(first, form->delimiter + 2, form->delimiter_size - 2) != 0)
        return malformed(err, "does not start with the boundary");
    return after_delimiter(form, err);
}

static bool hex_pair(const char *at, size_t left, unsigned value)
{
    unsigned got = 0;
    return left >= 3 && sscanf(at, "%%%2x", &got) == 1 && got == value;
}

static int set_filename(struct pe_form_part *part, const char *value, size_t size, struct pe_error *err)
{
    part->has_filename = true;
    for (size_t i = 0; i < size; i++) {
        char c = value[i];
        if (c == '\0')
            return pe_fail(err, PE_ERR_INVALID, "a file name has a NUL byte");
        if (c == '%' && size - i >= 3) {
            char pair[4] = {value[i], value[i + 1], value[i + 2], '\0'};
            char decoded = hex_pair(pair, 3, '"')    ? '"'
                           : hex_pair(pair, 3, '\r') ? '\r'
                           : hex_pair(pair, 3, '\n') ? '\n'
                                                     : '\0';
            if (decoded) {
                c = decoded;
                i += 2;
            }
        }
        if (part->filename_length + 1 >= sizeof part->filename)
            return pe_fail(err, PE_ERR_INVALID, "a file name is longer than %zu bytes",
                           sizeof part->filename - 1);
        part->filename[part->filename_length++] = c;
    }
    part->filename[part->filename_length] = '\0';
    return 0;
}

static int read_disposition(struct pe_cursor value, struct pe_form_part *part, struct pe_error *err)
{
    size_t type_size = span_until(&value, "; \t");
    if (type_size != 9 || strncasecmp((const char *)value.at, "form-data", 9) != 0)
        return malformed(err, "a part's Content-Disposition is not form-data");
    pe_cursor_read(&value, type_size);
    struct parameter parameter;
    int got = 0;
    while ((got = next_parameter(&value, &parameter)) > 0) {
        if (parameter_is(&parameter, "name")) {
            if (parameter.value_size >= sizeof part->name || memchr(parameter.value, 0, parameter.value_size))
                return malformed(err, "a part's name is too long");
            memcpy(part->name, parameter.value, parameter.value_size);
            part->name[parameter.value_size] = '\0';
        } else if (parameter_is(&parameter, "filename")) {
            if (part->has_filename)
                return malformed(err, "a part has two file names");
            if (set_filename(part, parameter.value, parameter.value_size, err) < 0)
                return -1;
        }
    }
    return got < 0 || !part->name[0] ? malformed(err, "a part's Content-Disposition is malformed") : 0;
}

static int read_header(const uint8_t *line, size_t size, struct pe_form_part *part, struct pe_error *err)
{
    struct pe_cursor cursor = {.at = line, .left = size};
    size_t name_size = 0;
    const char *name = (const char *)pe_cursor_read_until(&cursor, ':', &name_size);
    if (!name || name_size == 0)
        return malformed(err, "a part has a malformed header line");
    skip_blanks(&cursor);
    if (name_size == 19 && !strncasecmp(name, "Content-Disposition", 19))
        return read_disposition(cursor, part, err);
    if (name_size == 12 && !strncasecmp(name, "Content-Type", 12)) {
        size_t n = cursor.left < sizeof part->content_type ? cursor.left : sizeof part->content_type - 1;
        memcpy(part->content_type, cursor.at, n);
        part->content_type[n] = '\0';
    }
    return 0; /* other headers are allowed and ignored: RFC 7578 section 4.8 */
}

static int read_headers(struct pe_form *form, struct pe_form_part *part, struct pe_error *err)
{
    size_t budget = HEADERS_MAX;
    for (;;) {
        size_t size = 0;
        const uint8_t *line = pe_cursor_read_until(&form->rest, '\n', &size);
        if (!line || size > budget || size == 0 || line[size - 1] != '\r')
            return malformed(err, "a part's headers are cut short, too long or without CRLF");
        budget -= size;
        if (size == 1)
            return part->name[0] ? 0 : malformed(err, "a part has no Content-Disposition");
        if (read_header(line, size - 1, part, err) < 0)
            return -1;
    }
}

int pe_form_next(struct pe_form *form, struct pe_form_part *part, struct pe_error *err)
{
    if (form->ended)
        return 0;
    *part = (struct pe_form_part){0};
    if (read_headers(form, part, err) < 0)
        return -1;
    const uint8_t *end = form->rest.left
                             ? memmem(form->rest.at, form->rest.left, form->delimiter, form->delimiter_size)
                             : NULL;
    if (!end)
        return malformed(err, "ends before the closing boundary");
    part->size = (size_t)(end - form->rest.at);
    part->data = pe_cursor_read(&form->rest, part->size);
    pe_cursor_read(&form->rest, form->delimiter_size);
    return after_delimiter(form, err) < 0 ? -1 : 1;
}

/* ---- writing ---- */

static int append_filename(struct pe_buf *out, const char *filename, size_t length, struct pe_error *err)
{
    for (size_t i = 0; i < length; i++) {
        char c = filename[i];
        const char *escape = c == '"' ? "%22" : c == '\r' ? "%0D" : c == '\n' ? "%0A" : NULL;
        if (pe_buf_append(out, escape ? escape : &c, escape ? 3 : 1, err) < 0)
            return -1;
    }
    return 0;
}

int pe_form_append_head(struct pe_buf *out, const char *boundary, const char *name, const char *filename,
                        size_t filename_length, const char *content_type, struct pe_error *err)
{
    if (pe_buf_append_text(out, "--", err) < 0 || pe_buf_append_text(out, boundary, err) < 0 ||
        pe_buf_append_text(out, "\r\nContent-Disposition: form-data; name=\"", err) < 0 ||
        pe_buf_append_text(out, name, err) < 0 || pe_buf_append_text(out, "\"", err) < 0)
        return -1;
    if (filename &&
        (pe_buf_append_text(out, "; filename=\"", err) < 0 ||
         append_filename(out, filename, filename_length, err) < 0 || pe_buf_append_text(out, "\"", err) < 0))
        return -1;
    if (pe_buf_append_text(out, "\r\nContent-Type: ", err) < 0 ||
        pe_buf_append_text(out, content_type, err) < 0)
        return -1;
    return pe_buf_append_text(out, "\r\n\r\n", err);
}

int pe_form_append_end(struct pe_buf *out, const char *boundary, struct pe_error *err)
{
    if (pe_buf_append_text(out, "--", err) < 0 || pe_buf_append_text(out, boundary, err) < 0)
        return -1;
    return pe_buf_append_text(out, "--\r\n", err);
}
