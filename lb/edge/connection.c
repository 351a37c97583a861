/* SPDX-License-Identifier: Apache-2.0 */
/* Counting connections, closing slow ones, and closing those whose client still sends. Accepting
 * them is listener.c's part. */
#include "lb/edge/connection.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

enum {
    SILENT_US = 1000 * 1000,          /* how long a new connection may be silent while draining */
    BODY_GRACE_US = 10 * 1000 * 1000, /* how long a body may take at any speed */
    BODY_BYTES_PER_S = 4 * 1024,      /* minimum average speed after that */
    LINGER_MS = 10 * 1000,
    HEAD_MAX = 64 * 1024, /* bytes; libh2o accepts no longer head */
};

struct connection {
    struct pe_list in_open;
    struct connections *connections;
    h2o_socket_t *client; /* owned by libh2o */
    struct hangup_watch hangup;
    unsigned requests; /* that have arrived */
    unsigned busy;     /* requests that are being handled */
    bool in_request;   /* bytes of a request have arrived, and it is not being handled yet */
    bool head_complete;
    bool left_polled;
    uint64_t since_us;  /* when `in_request` changed */
    size_t since_bytes; /* bytes that had arrived by then */
    int linger_fd;      /* duplicate of the descriptor that outlives the socket of libh2o; -1: none */
    h2o_socket_t *sock; /* made from linger_fd */
    h2o_timeout_entry_t linger_entry;
};

static void connection_end(struct connection *connection)
{
    connection->connections->count--;
    pe_list_remove(&connection->in_open);
    free(connection);
}

/* ---- lingering ---- */

static void stop_lingering(struct connection *connection)
{
    h2o_timeout_unlink(&connection->linger_entry);
    h2o_socket_close(connection->sock);
    connection_end(connection);
}

static void on_linger_over(h2o_timeout_entry_t *entry)
{
    stop_lingering(H2O_STRUCT_FROM_MEMBER(struct connection, linger_entry, entry));
}

static void on_linger_readable(h2o_socket_t *sock, const char *error)
{
    struct connection *connection = sock->data;
    char dropped[65536];
    ssize_t n = error ? 0 : recv(h2o_socket_get_fd(sock), dropped, sizeof dropped, MSG_DONTWAIT);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    stop_lingering(connection);
}

static void start_lingering(struct connection *connection)
{
    h2o_loop_t *loop = connection->connections->ctx->loop;
    shutdown(connection->linger_fd, SHUT_WR);
    connection->sock =
        h2o_evloop_socket_create(loop, pe_steal_fd(&connection->linger_fd), H2O_SOCKET_FLAG_DONT_READ);
    connection->sock->data = connection;
    connection->linger_entry.cb = on_linger_over;
    h2o_timeout_link(loop, &connection->connections->linger, &connection->linger_entry);
    h2o_socket_read_start(connection->sock, on_linger_readable);
}

/* ---- life ---- */

static void on_close(void *data)
{
    struct connection *connection = data;
    struct connections *connections = connection->connections;
    pe_list_remove(&connection->in_open); /* the socket of libh2o is freed after this call */
    hangup_forget(&connections->hangup, &connection->hangup);
    if (!connection->requests)
        connections->unheard--;
    if (connection->linger_fd >= 0)
        start_lingering(connection);
    else
        connection_end(connection);
    if (connections->on_closed)
        connections->on_closed(connections->data);
}

void connection_begin(struct connections *connections, h2o_socket_t *sock)
{
    struct connection *connection = h2o_mem_alloc(sizeof *connection);
    *connection = (struct connection){
        .connections = connections, .client = sock, .linger_fd = -1, .since_us = pe_now_us()};
    connections->count++;
    connections->unheard++;
    pe_list_append(&connections->open, &connection->in_open);
    sock->on_close.cb = on_close;
    sock->on_close.data = connection;
}

void connection_linger(h2o_socket_t *sock)
{
    struct connection *connection = sock->on_close.data;
    if (connection && connection->linger_fd < 0)
        connection->linger_fd = fcntl(h2o_socket_get_fd(sock), F_DUPFD_CLOEXEC, 3);
}

/* ---- requests ---- */

struct connection *connection_of_request(const h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

void connection_request(struct connection *connection)
{
    if (!connection->requests++)
        connection->connections->unheard--;
}

bool connection_is_new(const struct connection *connection)
{
    return connection->requests <= 1;
}

void connection_busy(struct connection *connection)
{
    connection->busy++;
}

void connection_idle(struct connection *connection)
{
    connection->busy--;
    if (connection->left_polled)
        h2o_socket_dont_read(connection->client, 0);
    connection->left_polled = false;
    connection->in_request = connection->head_complete = false;
    connection->since_us = pe_now_us();
}

/* ---- hang-ups ---- */

/* Nothing is read here. What has arrived is the next request or the end of the stream, and
 * hangup.c reports the latter. */
static void on_readable(h2o_socket_t *sock, const char *error)
{
    (void)error;
    h2o_socket_read_stop(sock);
}

int connection_watch_hangup(struct connection *connection, void (*on_hangup)(void *data), void *data,
                            struct pe_error *err)
{
    /* libh2o removes a socket from its epoll set when it has read a request, and adds it again
     * after the response. This keeps it in the set. Nothing is read, because the texts of the
     * request are in the buffer that would be read into. */
    connection->left_polled = true;
    h2o_socket_dont_read(connection->client, 1);
    h2o_socket_read_start(connection->client, on_readable);
    return hangup_watch(&connection->connections->hangup, &connection->hangup,
                        h2o_socket_get_fd(connection->client), on_hangup, data, err);
}

void connection_unwatch_hangup(struct connection *connection)
{
    hangup_unwatch(&connection->hangup);
}

void connection_shut_down(const h2o_req_t *req)
{
    /* libh2o has no call for this. It notices the end of the stream wherever it polls, and a
     * write fails. */
    shutdown(h2o_socket_get_fd(req->conn->callbacks->get_socket(req->conn)), SHUT_RDWR);
}

/* ---- slow clients ---- */

/* Note what has arrived since the last call. */
static void observe(struct connection *connection, uint64_t now)
{
    const h2o_buffer_t *input = connection->client->input;
    if (connection->in_request != (input->size > 0)) {
        connection->in_request = input->size > 0;
        connection->head_complete = false;
        connection->since_us = now;
        connection->since_bytes = connection->client->bytes_read;
    }
    if (connection->in_request && !connection->head_complete)
        connection->head_complete =
            memmem(input->bytes, input->size < HEAD_MAX ? input->size : HEAD_MAX, "\r\n\r\n", 4) != NULL;
}

static bool is_slow(const struct connection *connection, uint64_t now)
{
    const struct connections *connections = connection->connections;
    uint64_t took_us = now - connection->since_us;
    if (!connection->in_request && connections->draining && !connection->requests)
        return took_us > SILENT_US;
    if (!connection->in_request)
        return took_us > connections->idle_ms * 1000;
    if (!connection->head_complete)
        return took_us > connections->head_ms * 1000;
    uint64_t got = connection->client->bytes_read - connection->since_bytes;
    return took_us > BODY_GRACE_US && got < (took_us - BODY_GRACE_US) / 1000000 * BODY_BYTES_PER_S;
}

static void on_sweep(h2o_timeout_entry_t *entry)
{
    struct connections *connections = H2O_STRUCT_FROM_MEMBER(struct connections, sweep_entry, entry);
    uint64_t now = pe_now_us();
    pe_list_for_each(node, &connections->open)
    {
        struct connection *connection = pe_list_entry(node, struct connection, in_open);
        if (connection->busy)
            continue;
        observe(connection, now);
        if (!is_slow(connection, now))
            continue;
        connections->slow++;
        /* libh2o sees the end of the stream, and closes the connection. */
        shutdown(h2o_socket_get_fd(connection->client), SHUT_RDWR);
    }
    h2o_timeout_link(connections->ctx->loop, &connections->ctx->one_sec_timeout, &connections->sweep_entry);
}

int connections_init(struct connections *connections, h2o_context_t *ctx, uint64_t head_ms, uint64_t idle_ms,
                     struct pe_error *err)
{
    *connections = (struct connections){.ctx = ctx, .head_ms = head_ms, .idle_ms = idle_ms};
    pe_list_init(&connections->open);
    h2o_timeout_init(ctx->loop, &connections->linger, LINGER_MS);
    connections->sweep_entry.cb = on_sweep;
    h2o_timeout_link(ctx->loop, &ctx->one_sec_timeout, &connections->sweep_entry);
    return hangup_init(&connections->hangup, ctx->loop, err);
}
