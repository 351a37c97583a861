/* SPDX-License-Identifier: Apache-2.0 */
/* libh2o tells when a stream began, and its size only in the text for debugging that an operator could ask
 * for. That text is made only for connections with enough streams to exceed the bound. */
#include "lb/edge/http2_streams.h"

#include "base/log.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    GRACE_US = 10 * 1000 * 1000,    /* how long a body may take at any speed, as over HTTP/1 */
    REQUEST_US = 120 * 1000 * 1000, /* how long a whole request may take */
    SLOW_MAX = 16,                  /* requests that take longer than GRACE_US */
};

void http2_streams_add_arriving(struct http2_streams *streams, const h2o_req_t *req)
{
    const struct timeval *now = h2o_get_timestamp(req->conn->ctx, NULL, NULL);
    const struct timeval *begin = &req->timestamps.request_begin_at;
    if (!begin->tv_sec)
        return;
    int64_t took_us = (int64_t)(now->tv_sec - begin->tv_sec) * 1000000;
    streams->arriving++;
    streams->slow += took_us > GRACE_US;
    streams->overdue |= took_us > REQUEST_US;
    streams->conn = req->conn;
}

void http2_streams_add_unread(struct http2_streams *streams, const h2o_req_t *req)
{
    streams->unread += req->entity.len;
}

bool http2_streams_are_slow(const struct http2_streams *streams)
{
    return streams->overdue || streams->slow > SLOW_MAX;
}

/* The bytes of all bodies in a part of libh2o's text about a connection: streams in the state OPEN are those
 * that arrive, and dataIn is the number of bytes of the body. */
static size_t count_open(const char *text)
{
    static const char state[] = "\"state\": \"OPEN\"", size[] = "\"dataIn\": ";
    size_t bytes = 0;
    while ((text = strstr(text, state)) && (text = strstr(text, size))) {
        text += sizeof size - 1;
        bytes += strtoull(text, NULL, 10);
    }
    return bytes;
}

/* libh2o takes the memory for the text from the pool of a request, and needs nothing else of it. */
static size_t count_arriving(h2o_conn_t *conn)
{
    h2o_req_t asking = {.conn = conn};
    size_t bytes = 0;
    h2o_mem_init_pool(&asking.pool);
    const h2o_http2_debug_state_t *state = conn->callbacks->get_debug_state(&asking, 0);
    for (size_t i = 0; i < state->json.size; i++)
        bytes += count_open(state->json.entries[i].base);
    h2o_mem_clear_pool(&asking.pool);
    return bytes;
}

bool http2_streams_hold_too_much(const struct http2_streams *streams)
{
    size_t most = streams->unread + (size_t)streams->arriving * PE_BODY_BYTES_MAX;
    if (most <= HTTP2_BODIES_MAX)
        return false;
    size_t arriving = streams->arriving ? count_arriving(streams->conn) : 0;
    return streams->unread + arriving > HTTP2_BODIES_MAX;
}

void http2_streams_reset_on_close(h2o_socket_t *sock)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (setsockopt(h2o_socket_get_fd(sock), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) < 0)
        pe_log(PE_LOG_WARN, "SO_LINGER: %s", strerror(errno));
}
