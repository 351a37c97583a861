/* Counting connections, closing slow ones, and closing one whose client still sends. */
#include "lb/edge/connection.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "lb/server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

enum {
    SILENT_US = 1000 * 1000,          /* that a new connection may be, once nothing is listened on */
    BODY_GRACE_US = 10 * 1000 * 1000, /* before a body's speed counts */
    BODY_BYTES_PER_S = 4 * 1024,      /* the least, on average */
    HEAD_LOOK = 64 * 1024, /* bytes in which a head's end is looked for; libh2o takes no longer ones */
};

struct connection {
    struct list in_open;
    struct server *server;
    h2o_socket_t *client; /* libh2o's */
    struct hangup_watch hangup;
    unsigned requests; /* of it that were handled */
    unsigned busy;     /* requests of it that are being handled */
    bool in_request;   /* bytes of a request came, and it is not being handled yet */
    bool head_complete;
    bool left_polled;
    uint64_t since_us;  /* in_request, or its opposite */
    size_t since_bytes; /* that had come by then */
    int linger_fd;      /* a duplicate that outlives libh2o's socket; -1: none */
    h2o_socket_t *sock; /* lingering on it */
    h2o_timeout_entry_t linger_entry;
};

static void connection_end(struct connection *connection)
{
    connection->server->connections--;
    list_remove(&connection->in_open);
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
    h2o_loop_t *loop = connection->server->ctx.loop;
    shutdown(connection->linger_fd, SHUT_WR);
    connection->sock =
        h2o_evloop_socket_create(loop, pe_steal_fd(&connection->linger_fd), H2O_SOCKET_FLAG_DONT_READ);
    connection->sock->data = connection;
    connection->linger_entry.cb = on_linger_over;
    h2o_timeout_link(loop, &connection->server->linger, &connection->linger_entry);
    h2o_socket_read_start(connection->sock, on_linger_readable);
}

/* ---- life ---- */

static void on_close(void *data)
{
    struct connection *connection = data;
    list_remove(&connection->in_open); /* libh2o's socket is gone with this call */
    hangup_forget(&connection->server->hangup, &connection->hangup);
    if (!connection->requests)
        connection->server->unheard--;
    server_check_end(connection->server);
    if (connection->linger_fd >= 0)
        start_lingering(connection);
    else
        connection_end(connection);
}

void connection_begin(struct server *server, h2o_socket_t *sock)
{
    struct connection *connection = h2o_mem_alloc(sizeof *connection);
    *connection =
        (struct connection){.server = server, .client = sock, .linger_fd = -1, .since_us = pe_now_us()};
    server->connections++;
    server->unheard++;
    list_append(&server->connections_open, &connection->in_open);
    sock->on_close.cb = on_close;
    sock->on_close.data = connection;
}

void connection_linger(h2o_socket_t *sock)
{
    struct connection *connection = sock->on_close.data;
    if (connection && connection->linger_fd < 0)
        connection->linger_fd = fcntl(h2o_socket_get_fd(sock), F_DUPFD_CLOEXEC, 3);
}

/* ---- slow clients ---- */

struct connection *connection_of(h2o_socket_t *sock)
{
    return sock->on_close.data;
}

struct hangup_watch *connection_hangup(struct connection *connection)
{
    return &connection->hangup;
}

void connection_busy(struct connection *connection)
{
    connection->busy++;
}

/* Readable, but nothing is to be read: the next request, or the end, which hangup.c tells of. */
static void on_readable(h2o_socket_t *sock, const char *error)
{
    (void)error;
    h2o_socket_read_stop(sock);
}

void connection_leave_polled(struct connection *connection)
{
    connection->left_polled = true;
    h2o_socket_dont_read(connection->client, 1);
    h2o_socket_read_start(connection->client, on_readable);
}

void connection_request(struct connection *connection)
{
    if (!connection->requests++)
        connection->server->unheard--;
}

bool connection_is_new(const struct connection *connection)
{
    return connection->requests <= 1;
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

/* Note what came since the last look. */
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
            memmem(input->bytes, input->size < HEAD_LOOK ? input->size : HEAD_LOOK, "\r\n\r\n", 4) != NULL;
}

static bool is_slow(const struct connection *connection, uint64_t now)
{
    const struct settings *settings = connection->server->settings;
    uint64_t took_us = now - connection->since_us;
    if (!connection->in_request && connection->server->draining && !connection->requests)
        return took_us > SILENT_US;
    if (!connection->in_request)
        return took_us > settings->idle_ms * 1000;
    if (!connection->head_complete)
        return took_us > settings->head_ms * 1000;
    uint64_t got = connection->client->bytes_read - connection->since_bytes;
    return took_us > BODY_GRACE_US && got < (took_us - BODY_GRACE_US) / 1000000 * BODY_BYTES_PER_S;
}

static void on_sweep(h2o_timeout_entry_t *entry)
{
    struct server *server = H2O_STRUCT_FROM_MEMBER(struct server, sweep_entry, entry);
    uint64_t now = pe_now_us();
    list_for_each(node, &server->connections_open)
    {
        struct connection *connection = list_entry(node, struct connection, in_open);
        if (connection->busy)
            continue;
        observe(connection, now);
        if (!is_slow(connection, now))
            continue;
        server->metrics.slow++;
        shutdown(h2o_socket_get_fd(connection->client), SHUT_RDWR); /* libh2o sees the end, and closes */
    }
    h2o_timeout_link(server->ctx.loop, &server->ctx.one_sec_timeout, &server->sweep_entry);
}

void connections_watch(struct server *server)
{
    server->sweep_entry.cb = on_sweep;
    h2o_timeout_link(server->ctx.loop, &server->ctx.one_sec_timeout, &server->sweep_entry);
}
