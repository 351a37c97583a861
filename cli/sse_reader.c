/* SPDX-License-Identifier: Apache-2.0 */
/* Lines, their fields, and the end of an event. */
#include "cli/sse_reader.h"

#include <string.h>

void sse_reader_free(struct sse_reader *reader)
{
    pe_buf_free(&reader->line);
    pe_buf_free(&reader->data);
}

/* An empty line ends an event. */
static int end_event(struct sse_reader *reader, struct pe_error *err)
{
    bool has_data = reader->has_data;
    reader->has_data = false;
    int failed = has_data ? reader->on_event(reader->context, &reader->data, err) : 0;
    reader->data.size = 0;
    return failed;
}

/* Several lines of data are one text with line ends. */
static int add_data(struct sse_reader *reader, const uint8_t *value, size_t size, struct pe_error *err)
{
    if (reader->has_data && pe_buf_append(&reader->data, "\n", 1, err) < 0)
        return -1;
    reader->has_data = true;
    return pe_buf_append(&reader->data, value, size, err);
}

/* Other fields, and comments, are of no interest. */
static int end_line(struct sse_reader *reader, struct pe_error *err)
{
    static const char name[] = "data";
    const size_t name_size = sizeof name - 1;
    const struct pe_buf *line = &reader->line;
    if (line->size == 0)
        return end_event(reader, err);
    if (line->size < name_size || memcmp(line->data, name, name_size) != 0 ||
        (line->size > name_size && line->data[name_size] != ':'))
        return 0;
    size_t at = line->size > name_size ? name_size + 1 : name_size;
    if (at < line->size && line->data[at] == ' ')
        at++;
    return add_data(reader, line->data + at, line->size - at, err);
}

/* The first byte that ends a line; NULL if there is none. */
static const uint8_t *find_end(const uint8_t *bytes, size_t size)
{
    const uint8_t *lf = memchr(bytes, '\n', size);
    const uint8_t *cr = memchr(bytes, '\r', lf ? (size_t)(lf - bytes) : size);
    return cr ? cr : lf;
}

int sse_reader_feed(struct sse_reader *reader, const void *bytes, size_t size, struct pe_error *err)
{
    const uint8_t *at = bytes;
    while (size) {
        if (reader->after_cr && *at == '\n') {
            reader->after_cr = false;
            at++;
            size--;
            continue;
        }
        const uint8_t *end = find_end(at, size);
        size_t piece = end ? (size_t)(end - at) : size;
        if (pe_buf_append(&reader->line, at, piece, err) < 0)
            return -1;
        reader->after_cr = end && *end == '\r';
        at += piece + (end ? 1 : 0);
        size -= piece + (end ? 1 : 0);
        if (end && end_line(reader, err) < 0)
            return -1;
        if (end)
            reader->line.size = 0;
    }
    return 0;
}
