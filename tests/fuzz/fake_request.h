/* SPDX-License-Identifier: Apache-2.0 */
/* A request of libh2o that no connection brought: for code that only reads its headers. Everything is
 * static; one fuzzer includes it once. */
#ifndef PE_FUZZ_FAKE_REQUEST_H
#define PE_FUZZ_FAKE_REQUEST_H

#include "lb/edge/h2o.h"
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <strings.h>

struct fake_request {
    h2o_req_t req;
    h2o_conn_t conn;
    h2o_socket_t socket;
    h2o_buffer_t input; /* of the socket */
    struct sockaddr_storage peer;
    socklen_t peer_size;
    char *texts[32]; /* owned */
    size_t text_count;
};

/* The socket whose input fake->input is. */
static h2o_socket_t *fake_socket(h2o_conn_t *conn)
{
    struct fake_request *fake = H2O_STRUCT_FROM_MEMBER(struct fake_request, conn, conn);
    return &fake->socket;
}

/* Begin an HTTP/1.1 request without headers, from a UNIX socket. */
static inline void fake_begin(struct fake_request *fake)
{
    static const h2o_conn_callbacks_t callbacks = {.get_socket = fake_socket};
    memset(fake, 0, sizeof *fake);
    fake->conn.callbacks = &callbacks;
    fake->socket.input = &fake->input;
    fake->req.conn = &fake->conn;
    fake->req.version = 0x101;
    fake->req.query_at = SIZE_MAX;
    h2o_mem_init_pool(&fake->req.pool);
}

/* Add the headers in these lines, each a name, a colon and a value, as libh2o's HTTP parser does: names in
 * lower case, values without blanks around them. Lines of another form are skipped. */
static inline void fake_add_headers(struct fake_request *fake, struct pe_cursor lines)
{
    while (lines.left && fake->text_count < sizeof fake->texts / sizeof *fake->texts) {
        char *name = fuzz_line(&lines), *value = strchr(name, ':');
        fake->texts[fake->text_count++] = name;
        if (!value || value == name)
            continue;
        *value++ = '\0';
        value += strspn(value, " \t");
        size_t size = strlen(value);
        while (size && (value[size - 1] == ' ' || value[size - 1] == '\t'))
            size--;
        for (char *c = name; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        char *exact = malloc(size ? size : 1); /* so that ASan sees a byte read too many */
        HOLDS(exact);
        memcpy(exact, value, size);
        h2o_add_header_by_str(&fake->req.pool, &fake->req.headers, name, strlen(name), 1, NULL, exact, size);
    }
}

/* Whether the value of the first header with this name contains `part`, in upper or lower case. */
static inline bool fake_header_has(const h2o_req_t *req, const char *name, const char *part)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, name, strlen(name), -1);
    if (at < 0)
        return false;
    h2o_iovec_t value = req->headers.entries[at].value;
    char *text = fuzz_text(value.base, value.len);
    bool found = strcasestr(text, part) != NULL;
    free(text);
    return found;
}

/* Free what the request owns. */
static inline void fake_end(struct fake_request *fake)
{
    for (size_t i = 0; i < fake->req.headers.size; i++)
        free(fake->req.headers.entries[i].value.base);
    for (size_t i = 0; i < fake->text_count; i++)
        free(fake->texts[i]);
    h2o_mem_clear_pool(&fake->req.pool);
}

#endif
