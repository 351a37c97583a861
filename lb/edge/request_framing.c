/* SPDX-License-Identifier: Apache-2.0 */
/* libh2o 2.2 does not hand these headers to handlers. But the head of a request is still at the front
 * of the connection's input buffer while the request is handled, because the texts of other headers
 * point into it. */
#include "lb/edge/request_framing.h"

#include "base/buffer.h"

#include <strings.h>

struct framing {
    h2o_iovec_t length; /* the first Content-Length; base is NULL if there is none */
    unsigned encodings; /* Transfer-Encoding headers */
};

static bool is_named(const uint8_t *line, size_t size, const char *name)
{
    size_t length = strlen(name);
    return size > length && line[length] == ':' && !strncasecmp((const char *)line, name, length);
}

/* The value of a header behind its name, without blanks around it. */
static h2o_iovec_t value_of(const uint8_t *line, size_t size, const char *name)
{
    size_t start = strlen(name) + 1;
    while (start < size && (line[start] == ' ' || line[start] == '\t'))
        start++;
    while (size > start && (line[size - 1] == ' ' || line[size - 1] == '\t'))
        size--;
    return h2o_iovec_init(line + start, size - start);
}

static const char *note_header(struct framing *framing, const uint8_t *line, size_t size)
{
    static const char length[] = "content-length", encoding[] = "transfer-encoding";
    if (*line == ' ' || *line == '\t')
        return "a header is continued on a second line";
    framing->encodings += is_named(line, size, encoding);
    if (is_named(line, size, length)) {
        h2o_iovec_t value = value_of(line, size, length);
        if (framing->length.base &&
            !h2o_memis(value.base, value.len, framing->length.base, framing->length.len))
            return "it has two different Content-Length headers";
        framing->length = value;
    }
    if (framing->encodings > 1)
        return "it has two Transfer-Encoding headers";
    return framing->encodings && framing->length.base ? "it has both Content-Length and Transfer-Encoding"
                                                      : NULL;
}

const char *request_framing_fault(const h2o_req_t *req)
{
    if (req->version >= 0x200)
        return NULL; /* HTTP/2 has frames for this */
    const h2o_buffer_t *input = req->conn->callbacks->get_socket(req->conn)->input;
    struct pe_cursor rest = {.at = (const uint8_t *)input->bytes, .left = input->size};
    struct framing framing = {0};
    const char *fault = NULL;
    size_t size = 0;
    const uint8_t *line = pe_cursor_read_until(&rest, '\n', &size); /* the request line */
    while (!fault && line && (line = pe_cursor_read_until(&rest, '\n', &size))) {
        size -= size && line[size - 1] == '\r';
        if (size == 0)
            break;
        fault = note_header(&framing, line, size);
    }
    return fault;
}
