/* Counting connections, and closing one whose client still sends. */
#include "lb/connection.h"

#include "base/cleanup.h"
#include "lb/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

struct connection {
    struct server *server;
    int linger_fd;      /* a duplicate that outlives libh2o's socket; -1: none */
    h2o_socket_t *sock; /* lingering on it */
    h2o_timeout_entry_t linger_entry;
};

static void connection_end(struct connection *connection)
{
    connection->server->connections--;
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
    if (connection->linger_fd >= 0)
        start_lingering(connection);
    else
        connection_end(connection);
}

void connection_begin(struct server *server, h2o_socket_t *sock)
{
    struct connection *connection = h2o_mem_alloc(sizeof *connection);
    *connection = (struct connection){.server = server, .linger_fd = -1};
    server->connections++;
    sock->on_close.cb = on_close;
    sock->on_close.data = connection;
}

void connection_linger(h2o_socket_t *sock)
{
    struct connection *connection = sock->on_close.data;
    if (connection && connection->linger_fd < 0)
        connection->linger_fd = fcntl(h2o_socket_get_fd(sock), F_DUPFD_CLOEXEC, 3);
}
