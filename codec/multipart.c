/* SPDX-License-Identifier: Apache-2.0 */
/* The parser and the writer of multipart/form-data. The parser needs one pass and does not allocate
 * memory. */
#include "codec/multipart.h"

#include "codec/header_parameters.h"

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
    size_t type_size = pe_parameters_begin(&cursor);
    if (type_size != 19 || strncasecmp(content_type, "multipart/form-data", 19) != 0)
        return pe_fail(err, PE_ERR_MALFORMED, "Content-Type must be multipart/form-data");
    struct pe_parameter parameter;
    while (pe_parameter_next(&cursor, &parameter) > 0) {
        if (!pe_parameter_is(&parameter, "boundary"))
            continue;
        if (!boundary_valid(parameter.value, parameter.value_size))
            break;
        form->delimiter_size = (size_t)snprintf(form->delimiter, sizeof form->delimiter, "\r\n--%.*s",
                                                (int)parameter.value_size, parameter.value);
        return 0;
    }
    return pe_fail(err, PE_ERR_MALFORMED, "Content-Type has no valid boundary parameter");
}

/* Parse what follows a delimiter: "--" ends the form, and CRLF starts a part. Blanks in front of
 * CRLF are padding, which transports may add: RFC 2046 section 5.1.1. */
static int after_delimiter(struct pe_form *form, struct pe_error *err)
{
    struct pe_cursor *rest = &form->rest;
    if (rest->left >= 2 && !memcmp(rest->at, "--", 2)) {
        form->ended = true; /* the rest is an epilogue, which is ignored: RFC 2046 section 5.1.1 */
        return 0;
    }
    while (rest->left && (*rest->at == ' ' || *rest->at == '\t'))
        pe_cursor_read(rest, 1);
    const uint8_t *two = pe_cursor_read(rest, 2);
    return two && !memcmp(two, "\r\n", 2) ? 0 : malformed(err, "a boundary is not followed by a line end");
}

/* Read up to the next delimiter and skip it. Returns the bytes before it, whose number is in
 * `*size`, or NULL if there is none. */
static const uint8_t *read_to_delimiter(struct pe_form *form, size_t *size)
{
    struct pe_cursor *rest = &form->rest;
    const uint8_t *start = rest->at;
    const uint8_t *end =
        rest->left ? memmem(rest->at, rest->left, form->delimiter, form->delimiter_size) : NULL;
    if (!end)
        return NULL;
    *size = (size_t)(end - start);
    pe_cursor_read(rest, *size + form->delimiter_size);
    return start;
}

int pe_form_init(struct pe_form *form, const char *content_type, size_t content_type_size, const void *body,
                 size_t size, struct pe_error *err)
{
    *form = (struct pe_form){.rest = {.at = body, .left = size}};
    if (set_boundary(form, content_type, content_type_size, err) < 0)
        return -1;
    /* The first delimiter is at the start of the body, without a CRLF in front, or behind a
     * preamble, which is ignored: RFC 2046 section 5.1.1. */
    size_t first_size = form->delimiter_size - 2, preamble_size = 0;
    if (size >= first_size && !memcmp(body, form->delimiter + 2, first_size))
        pe_cursor_read(&form->rest, first_size);
    else if (!read_to_delimiter(form, &preamble_size))
        return malformed(err, "has no line with the boundary of its Content-Type");
    return after_delimiter(form, err);
}

/* ---- names of files ---- */

static int add_to_filename(struct pe_form_part *part, char c, struct pe_error *err)
{
    if (c == '\0')
        return pe_fail(err, PE_ERR_INVALID, "a file name has a NUL byte");
    if (part->filename_length + 1 >= sizeof part->filename)
        return pe_fail(err, PE_ERR_INVALID, "a file name is longer than %zu bytes",
                       sizeof part->filename - 1);
    part->filename[part->filename_length++] = c;
    return 0;
}

/* The parameter `filename`. Browsers and curl write a quote as %22, but a percent sign as itself, so
 * %22 in a name cannot be told from a quote. They write line ends as %0D and %0A. These are not
 * decoded, because a name with a line end is not allowed in requests, but one with %0A is. */
static int set_filename(struct pe_form_part *part, const struct pe_parameter *parameter, struct pe_error *err)
{
    for (size_t at = 0; at < parameter->value_size;) {
        bool is_quote = parameter->value_size - at >= 3 && !memcmp(parameter->value + at, "%22", 3);
        char c = is_quote ? '"' : pe_parameter_read(parameter, &at);
        at += is_quote ? 3 : 0;
        if (add_to_filename(part, c, err) < 0)
            return -1;
    }
    return 0;
}

/* The parameter `filename*`, which can express every name. */
static int set_exact_filename(struct pe_form_part *part, const struct pe_parameter *parameter,
                              struct pe_error *err)
{
    if (pe_parameter_decode_extended(parameter, part->filename, sizeof part->filename - 1,
                                     &part->filename_length, err) < 0)
        return pe_fail_context(err, "multipart body: the parameter filename* of a part");
    return memchr(part->filename, '\0', part->filename_length)
               ? pe_fail(err, PE_ERR_INVALID, "a file name has a NUL byte")
               : 0;
}

/* ---- headers of a part ---- */

static int set_name(struct pe_form_part *part, const struct pe_parameter *parameter, struct pe_error *err)
{
    size_t length = 0;
    for (size_t at = 0; at < parameter->value_size;) {
        char c = pe_parameter_read(parameter, &at);
        if (c == '\0' || length + 1 >= sizeof part->name)
            return malformed(err, "a part's name is too long or has a NUL byte");
        part->name[length++] = c;
    }
    part->name[length] = '\0';
    return 0;
}

/* The parameters that give a part its file name. */
struct filenames {
    struct pe_parameter plain, exact; /* name NULL: the part does not have it */
};

static int keep_filename(struct pe_parameter *kept, const struct pe_parameter *parameter,
                         struct pe_error *err)
{
    if (kept->name)
        return malformed(err, "a part has two file names");
    *kept = *parameter;
    return 0;
}

static int read_parameter(const struct pe_parameter *parameter, struct pe_form_part *part,
                          struct filenames *filenames, struct pe_error *err)
{
    if (pe_parameter_is(parameter, "name"))
        return set_name(part, parameter, err);
    if (pe_parameter_is(parameter, "filename"))
        return keep_filename(&filenames->plain, parameter, err);
    if (pe_parameter_is(parameter, "filename*"))
        return keep_filename(&filenames->exact, parameter, err);
    return 0;
}

static int read_disposition(struct pe_cursor value, struct pe_form_part *part, struct pe_error *err)
{
    const char *type = (const char *)value.at;
    if (pe_parameters_begin(&value) != 9 || strncasecmp(type, "form-data", 9) != 0)
        return malformed(err, "a part's Content-Disposition is not form-data");
    struct pe_parameter parameter;
    struct filenames filenames = {0};
    int got = 0;
    while ((got = pe_parameter_next(&value, &parameter)) > 0)
        if (read_parameter(&parameter, part, &filenames, err) < 0)
            return -1;
    if (got < 0 || !part->name[0])
        return malformed(err, "a part's Content-Disposition is malformed");
    if (part->has_filename && (filenames.plain.name || filenames.exact.name))
        return malformed(err, "a part has two file names");
    part->has_filename |= filenames.plain.name || filenames.exact.name;
    int failed = filenames.exact.name   ? set_exact_filename(part, &filenames.exact, err)
                 : filenames.plain.name ? set_filename(part, &filenames.plain, err)
                                        : 0;
    part->filename[part->filename_length] = '\0';
    return failed;
}

/* Encodings that leave the bytes as they are. Others are deprecated: RFC 7578 section 4.7. */
static int check_transfer_encoding(const struct pe_cursor *value, struct pe_error *err)
{
    static const char *const plain[] = {"binary", "8bit", "7bit"};
    size_t size = value->left;
    while (size && (value->at[size - 1] == ' ' || value->at[size - 1] == '\t'))
        size--;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (size == strlen(plain[i]) && !strncasecmp((const char *)value->at, plain[i], size))
            return 0;
    return malformed(err, "a part has a Content-Transfer-Encoding other than binary, 8bit and 7bit: send its "
                          "bytes as they are");
}

static int read_header(const uint8_t *line, size_t size, struct pe_form_part *part, struct pe_error *err)
{
    struct pe_cursor cursor = {.at = line, .left = size};
    size_t name_size = 0;
    const char *name = (const char *)pe_cursor_read_until(&cursor, ':', &name_size);
    if (!name || name_size == 0)
        return malformed(err, "a part has a malformed header line");
    while (cursor.left && (*cursor.at == ' ' || *cursor.at == '\t'))
        pe_cursor_read(&cursor, 1);
    if (name_size == 19 && !strncasecmp(name, "Content-Disposition", 19))
        return read_disposition(cursor, part, err);
    if (name_size == 12 && !strncasecmp(name, "Content-Type", 12)) {
        size_t n = cursor.left < sizeof part->content_type ? cursor.left : sizeof part->content_type - 1;
        memcpy(part->content_type, cursor.at, n);
        part->content_type[n] = '\0';
    }
    if (name_size == 25 && !strncasecmp(name, "Content-Transfer-Encoding", 25))
        return check_transfer_encoding(&cursor, err);
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
    part->data = read_to_delimiter(form, &part->size);
    if (!part->data)
        return malformed(err, "ends before the closing boundary");
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

/* Whether readers take the parameter `filename` for different names. Some decode %22, %0D and %0A,
 * and some decode a backslash with the character behind it. */
static bool is_ambiguous(const char *filename, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)filename[i] < 0x20 || strchr("\"%\\\x7f", filename[i]))
            return true;
    return false;
}

int pe_form_append_disposition(struct pe_buf *out, const char *name, const char *filename,
                               size_t filename_length, struct pe_error *err)
{
    if (pe_buf_append_text(out, "Content-Disposition: form-data; name=\"", err) < 0 ||
        pe_buf_append_text(out, name, err) < 0 || pe_buf_append_text(out, "\"", err) < 0)
        return -1;
    if (!filename)
        return 0;
    if (pe_buf_append_text(out, "; filename=\"", err) < 0 ||
        append_filename(out, filename, filename_length, err) < 0 || pe_buf_append_text(out, "\"", err) < 0)
        return -1;
    if (!is_ambiguous(filename, filename_length))
        return 0;
    return pe_buf_append_text(out, "; filename*=", err) < 0
               ? -1
               : pe_parameter_append_extended(out, filename, filename_length, err);
}

int pe_form_append_head(struct pe_buf *out, const char *boundary, const char *name, const char *filename,
                        size_t filename_length, const char *content_type, struct pe_error *err)
{
    if (pe_buf_append_text(out, "--", err) < 0 || pe_buf_append_text(out, boundary, err) < 0 ||
        pe_buf_append_text(out, "\r\n", err) < 0 ||
        pe_form_append_disposition(out, name, filename, filename_length, err) < 0 ||
        pe_buf_append_text(out, "\r\nContent-Type: ", err) < 0 ||
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
