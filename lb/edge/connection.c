/* SPDX-License-Identifier: Apache-2.0 */
/* The life of connections and of their requests, and what closes those that are slow, idle or too many.
 * Accepting them is listener.c's part, and the refusal of a connection is connection_refusal.c's. */
#include "lb/edge/connection.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "lb/edge/connection_refusal.h"
#include "lb/edge/http2_streams.h"
#include "lb/edge/tcp_progress.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

enum {
    SILENT_US = 1000 * 1000,          /* how long a new connection may be silent while draining */
    BODY_GRACE_US = 10 * 1000 * 1000, /* how long a body may take at any speed */
    BODY_BYTES_PER_S = 4 * 1024,      /* minimum average speed after that */
    REQUEST_US = 120 * 1000 * 1000,   /* how long a whole request may take */
    EVICT_US = 1000 * 1000,           /* a connection that was idle for less is not closed to make room */
    LINGER_MS = 10 * 1000,
    ENDING_US = 5 * 1000 * 1000, /* how long the last bytes of a WebSocket may take */
    LINGERING_MAX = 256,         /* refused connections; others are closed at once */
    HEAD_MAX = 64 * 1024,        /* bytes; libh2o accepts no longer head */
    TURN_MS = 1,                 /* libh2o runs a timer of 0 ms that is set by such a timer without a pause */
    REQUESTS_PER_TURN = 16,
    LOOK_US = 100 * 1000, /* the least time between two looks at all streams of HTTP/2 */
    LOOK_SHARE = 20,      /* looks take one of so many parts of the time */
    UNREAD_US =
        2 * 1000 * 1000, /* how long a response of HTTP/2 may be unread before its request's body counts */
};

struct connection {
    struct pe_list in_open;
    struct pe_list in_idle, in_address_idle; /* while no request is handled */
    struct connections *connections;
    h2o_socket_t *client;          /* owned by libh2o */
    struct address_count *address; /* NULL: its connections are not limited */
    struct hangup_watch hangup;
    struct pe_list handled; /* requests that are being handled */
    unsigned requests;      /* that have arrived */
    uint64_t turn_ms;       /* the iteration of the loop, by its time, in which `turn_requests` arrived */
    unsigned turn_requests;
    struct pe_list in_streaming;  /* while the last look has found streams of HTTP/2 */
    struct http2_streams streams; /* what it has found */
    bool is_websocket;
    bool is_counted; /* in `count`: not a refused one */
    bool is_closing; /* it was shut down to make room */
    bool in_request; /* bytes of a request have arrived, and it is not being handled yet */
    bool head_complete;
    bool left_polled;
    uint64_t since_us;  /* when `in_request` changed */
    uint64_t ending_us; /* when the end of a WebSocket began; 0: it has not */
    int linger_fd;      /* duplicate of the descriptor that outlives the socket of libh2o; -1: none */
    h2o_socket_t *sock; /* made from linger_fd */
    h2o_timeout_entry_t linger_entry;
};

/* A request that is being handled. It lives in the memory pool of libh2o's request. */
struct handled_request {
    struct pe_list in_handled;
    struct connection *connection;
    h2o_req_t *req;
    uint64_t taken_us; /* when the client took something last; 0: libh2o has nothing for it */
    uint64_t acked;    /* bytes that its side had acknowledged by then; only of HTTP/1 over TCP */
    void (*handle)(h2o_req_t *req, void *data);
    void *data;
    h2o_timeout_entry_t turn_entry;
};

static void forget_address(struct connection *connection)
{
    pe_list_remove(&connection->in_address_idle);
    if (!connection->address)
        return;
    connection->address->closing -= connection->is_closing;
    address_counts_remove(&connection->connections->addresses, connection->address);
    connection->address = NULL;
}

static void connection_end(struct connection *connection)
{
    struct connections *connections = connection->connections;
    connections->count -= connection->is_counted;
    connections->closing -= connection->is_closing;
    connections->lingering -= !connection->is_counted;
    pe_list_remove(&connection->in_open);
    pe_list_remove(&connection->in_idle);
    forget_address(connection);
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

/* ---- idle connections ---- */

static void enter_idle(struct connection *connection)
{
    pe_list_append(&connection->connections->idle, &connection->in_idle);
    if (connection->address)
        pe_list_append(&connection->address->idle, &connection->in_address_idle);
    connection->in_request = connection->head_complete = false;
    connection->since_us = pe_now_us();
}

static void leave_idle(struct connection *connection)
{
    pe_list_remove(&connection->in_idle);
    pe_list_remove(&connection->in_address_idle);
}

/* Close an idle connection to make room. libh2o sees the end of the stream in the next iteration. */
static void evict(struct connection *connection)
{
    connection->is_closing = true;
    connection->connections->closing++;
    connection->connections->evicted++;
    if (connection->address)
        connection->address->closing++;
    leave_idle(connection);
    shutdown(h2o_socket_get_fd(connection->client), SHUT_RDWR);
}

/* Whether this connection may be closed to make room. */
static bool is_evictable(const struct connection *connection)
{
    return connection->client->input->size == 0 && pe_now_us() - connection->since_us >= EVICT_US;
}

/* ---- admission ---- */

/* Make room for one more connection of a client. */
static bool make_address_room(const struct connections *connections, const struct address_count *address)
{
    if (!connections->rules.address_max ||
        address->count - address->closing <= connections->rules.address_max)
        return true;
    if (address->idle.next == &address->idle)
        return false;
    struct connection *oldest = pe_list_entry(address->idle.next, struct connection, in_address_idle);
    if (!is_evictable(oldest))
        return false;
    evict(oldest);
    return true;
}

static bool make_room(const struct connections *connections)
{
    if (connections->count - connections->closing < connections->rules.total_max)
        return true;
    if (connections->idle.next == &connections->idle)
        return false;
    struct connection *oldest = pe_list_entry(connections->idle.next, struct connection, in_idle);
    if (!is_evictable(oldest))
        return false;
    evict(oldest);
    return true;
}

/* Connections of proxies are of many clients, and those over a UNIX socket of programs that the
 * operator has let in. NULL: not limited, or without memory. */
static struct address_count *count_address(struct connections *connections, h2o_socket_t *sock)
{
    struct pe_ip_address peer = peer_of_socket(sock);
    if (pe_ip_address_is_unix(&peer) || peer_is_trusted(connections->rules.trusted, &peer))
        return NULL;
    return address_counts_add(&connections->addresses, &peer);
}

/* The reason to refuse one more connection, or CONNECTION_ADMITTED. */
static enum connection_refusal admit(struct connections *connections, const struct address_count *address)
{
    if (address && !make_address_room(connections, address))
        return CONNECTION_REFUSED_BY_ADDRESS;
    return make_room(connections) ? CONNECTION_ADMITTED : CONNECTION_REFUSED_BY_TOTAL;
}

/* ---- life ---- */

static void on_close(void *data)
{
    struct connection *connection = data;
    struct connections *connections = connection->connections;
    pe_list_remove(&connection->in_open); /* the socket of libh2o is freed after this call */
    pe_list_remove(&connection->in_streaming);
    leave_idle(connection);
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

static struct connection *make_connection(struct connections *connections)
{
    struct connection *connection = h2o_mem_alloc(sizeof *connection);
    *connection = (struct connection){.connections = connections, .linger_fd = -1};
    pe_list_init(&connection->handled);
    return connection;
}

/* Close a connection that was answered with a refusal, and give its client the time to read it. */
static void close_refused(struct connections *connections, h2o_socket_t *sock)
{
    int fd = connections->lingering < LINGERING_MAX ? fcntl(h2o_socket_get_fd(sock), F_DUPFD_CLOEXEC, 3) : -1;
    h2o_socket_close(sock);
    if (fd < 0)
        return;
    struct connection *connection = make_connection(connections);
    connections->lingering++;
    connection->linger_fd = fd;
    start_lingering(connection);
}

bool connection_begin(struct connections *connections, h2o_socket_t *sock, bool tls)
{
    struct address_count *address = count_address(connections, sock);
    enum connection_refusal refusal = admit(connections, address);
    if (refusal != CONNECTION_ADMITTED) {
        connection_refuse(connections, sock, tls, refusal, address);
        if (address)
            address_counts_remove(&connections->addresses, address);
        close_refused(connections, sock);
        return false;
    }
    struct connection *connection = make_connection(connections);
    connection->client = sock;
    connection->address = address;
    connection->is_counted = true;
    connections->count++;
    connections->unheard++;
    pe_list_append(&connections->open, &connection->in_open);
    enter_idle(connection);
    sock->on_close.cb = on_close;
    sock->on_close.data = connection;
    return true;
}

void connection_linger(h2o_socket_t *sock)
{
    struct connection *connection = sock->on_close.data;
    if (connection && connection->linger_fd < 0)
        connection->linger_fd = fcntl(h2o_socket_get_fd(sock), F_DUPFD_CLOEXEC, 3);
}

void connection_is_of_worker(struct connection *connection)
{
    forget_address(connection);
}

void connection_leave_http(struct connection *connection)
{
    connection->is_websocket = true;
}

void connection_is_ending(h2o_socket_t *sock)
{
    struct connection *connection = sock->on_close.data;
    connection->ending_us = pe_now_us();
}

struct connection *connection_of_request(const h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

bool connection_is_new(const struct connection *connection)
{
    return connection->requests <= 1;
}

/* ---- requests ---- */

/* The request of libh2o ends, for any reason. */
static void on_request_end(void *memory)
{
    struct handled_request *request = memory;
    struct connection *connection = request->connection;
    h2o_timeout_unlink(&request->turn_entry);
    pe_list_remove(&request->in_handled);
    if (connection->left_polled)
        h2o_socket_dont_read(connection->client, 0);
    connection->left_polled = false;
    if (connection->handled.next == &connection->handled && !connection->is_websocket)
        enter_idle(connection);
}

static struct handled_request *begin_request(h2o_req_t *req)
{
    struct connection *connection = connection_of_request(req);
    struct handled_request *request = h2o_mem_alloc_shared(&req->pool, sizeof *request, on_request_end);
    *request = (struct handled_request){.connection = connection, .req = req};
    pe_list_append(&connection->handled, &request->in_handled);
    leave_idle(connection);
    return request;
}

/* NULL for a request that libh2o refuses by itself, before its handler was called. */
static struct handled_request *find_request(const h2o_req_t *req)
{
    pe_list_for_each(node, &connection_of_request(req)->handled)
    {
        struct handled_request *request = pe_list_entry(node, struct handled_request, in_handled);
        if (request->req == req)
            return request;
    }
    return NULL;
}

static void on_turn(h2o_timeout_entry_t *entry)
{
    struct handled_request *request = H2O_STRUCT_FROM_MEMBER(struct handled_request, turn_entry, entry);
    request->handle(request->req, request->data);
}

/* Whether a connection has had its share of this iteration of the loop. */
static bool has_had_its_turn(struct connection *connection, uint64_t now_ms)
{
    if (connection->turn_ms != now_ms) {
        connection->turn_ms = now_ms;
        connection->turn_requests = 0;
    }
    return ++connection->turn_requests > REQUESTS_PER_TURN;
}

void connection_handle_request(struct connections *connections, h2o_req_t *req,
                               void (*handle)(h2o_req_t *req, void *data), void *data)
{
    struct handled_request *request = begin_request(req);
    struct connection *connection = request->connection;
    h2o_loop_t *loop = connections->ctx->loop;
    if (!connection->requests++)
        connections->unheard--;
    if (!has_had_its_turn(connection, h2o_now(loop))) {
        handle(req, data);
        return;
    }
    request->handle = handle;
    request->data = data;
    request->turn_entry.cb = on_turn;
    h2o_timeout_link(loop, &connections->turn, &request->turn_entry);
}

void connection_response_begin(const h2o_req_t *req)
{
    struct handled_request *request = find_request(req);
    if (!request)
        request = begin_request((h2o_req_t *)req);
    request->taken_us = pe_now_us();
}

void connection_response_wait(const h2o_req_t *req)
{
    struct handled_request *request = find_request(req);
    if (request)
        request->taken_us = 0;
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
    }
    if (connection->in_request && !connection->head_complete)
        connection->head_complete =
            memmem(input->bytes, input->size < HEAD_MAX ? input->size : HEAD_MAX, "\r\n\r\n", 4) != NULL;
}

/* Whether a client is slow with its next request. */
static bool is_slow(const struct connection *connection, uint64_t now)
{
    const struct connections *connections = connection->connections;
    uint64_t took_us = now - connection->since_us;
    if (!connection->in_request && connections->draining && !connection->requests)
        return took_us > SILENT_US;
    if (!connection->in_request)
        return took_us > connections->rules.idle_ms * 1000;
    if (!connection->head_complete)
        return took_us > connections->rules.head_ms * 1000;
    uint64_t wanted = took_us < BODY_GRACE_US ? 0 : (took_us - BODY_GRACE_US) / 1000000 * BODY_BYTES_PER_S;
    return took_us > REQUEST_US || connection->client->input->size < wanted;
}

/* Whether the client takes nothing of the response to this request. libh2o reports when it has taken a
 * whole piece. A client that takes less than a piece in the time is seen by the acknowledgements of
 * TCP. Those of HTTP/2 do not tell for which stream they are. */
static bool is_stalled(struct handled_request *request, uint64_t now)
{
    const struct connection *connection = request->connection;
    if (!request->taken_us)
        return false;
    uint64_t acked =
        request->req->version < 0x200 ? tcp_bytes_acked(h2o_socket_get_fd(connection->client)) : 0;
    if (acked != request->acked)
        request->taken_us = now;
    request->acked = acked;
    return now - request->taken_us > connection->connections->rules.stall_ms * 1000;
}

static bool has_stalled_request(const struct connection *connection, uint64_t now)
{
    bool stalled = false;
    pe_list_for_each(node, &connection->handled)
    {
        stalled |= is_stalled(pe_list_entry(node, struct handled_request, in_handled), now);
    }
    return stalled;
}

static bool is_too_slow(struct connection *connection, uint64_t now)
{
    if (connection->is_websocket)
        return connection->ending_us && now - connection->ending_us > ENDING_US;
    if (http2_streams_are_slow(&connection->streams))
        return true;
    if (connection->streams.arriving)
        connection->since_us = now; /* it is not idle */
    if (connection->handled.next != &connection->handled)
        return has_stalled_request(connection, now);
    observe(connection, now);
    return is_slow(connection, now);
}

/* libh2o sees the end of the stream, and closes the connection. */
static void cut_off(struct connection *connection)
{
    shutdown(h2o_socket_get_fd(connection->client), SHUT_RDWR);
}

/* ---- streams of HTTP/2 ---- */

static int note_stream(h2o_req_t *req, void *data)
{
    struct connections *connections = data;
    struct connection *connection = connection_of_request(req);
    const struct handled_request *request = find_request(req);
    if (!pe_list_linked(&connection->in_streaming))
        pe_list_append(&connections->streaming, &connection->in_streaming);
    if (!request)
        http2_streams_add_arriving(&connection->streams, req);
    else if (request->taken_us && pe_now_us() - request->taken_us > UNREAD_US)
        http2_streams_add_unread(&connection->streams, req);
    return 0;
}

static void forget_streams(struct connections *connections)
{
    while (connections->streaming.next != &connections->streaming) {
        struct connection *connection =
            pe_list_entry(connections->streaming.next, struct connection, in_streaming);
        connection->streams = (struct http2_streams){0};
        pe_list_remove(&connection->in_streaming);
    }
}

static void look_at_streams(struct connections *connections)
{
    h2o_context_t *ctx = connections->ctx;
    forget_streams(connections);
    ctx->globalconf->http2.callbacks.foreach_request(ctx, note_stream, connections);
    pe_list_for_each(node, &connections->streaming)
    {
        struct connection *connection = pe_list_entry(node, struct connection, in_streaming);
        if (!http2_streams_hold_too_much(&connection->streams))
            continue;
        pe_log(PE_LOG_WARN, "closing a connection of HTTP/2: its bodies have more than %zu MiB together",
               HTTP2_BODIES_MAX >> 20);
        http2_streams_reset_on_close(connection->client);
        cut_off(connection);
    }
}

void connections_look_at_streams(struct connections *connections)
{
    uint64_t now = pe_now_us();
    if (now < connections->look_at_us)
        return;
    look_at_streams(connections);
    uint64_t took_us = pe_now_us() - now;
    connections->look_at_us = now + (took_us * LOOK_SHARE > LOOK_US ? took_us * LOOK_SHARE : LOOK_US);
}

/* ---- once a second ---- */

static void on_sweep(h2o_timeout_entry_t *entry)
{
    struct connections *connections = H2O_STRUCT_FROM_MEMBER(struct connections, sweep_entry, entry);
    uint64_t now = pe_now_us();
    look_at_streams(connections);
    pe_list_for_each(node, &connections->open)
    {
        struct connection *connection = pe_list_entry(node, struct connection, in_open);
        if (!is_too_slow(connection, now))
            continue;
        connections->slow++;
        cut_off(connection);
    }
    h2o_timeout_link(connections->ctx->loop, &connections->ctx->one_sec_timeout, &connections->sweep_entry);
}

int connections_init(struct connections *connections, h2o_context_t *ctx,
                     const struct connection_rules *rules, struct pe_error *err)
{
    *connections = (struct connections){.ctx = ctx, .rules = *rules};
    pe_list_init(&connections->open);
    pe_list_init(&connections->idle);
    pe_list_init(&connections->streaming);
    h2o_timeout_init(ctx->loop, &connections->linger, LINGER_MS);
    h2o_timeout_init(ctx->loop, &connections->turn, TURN_MS);
    connections->sweep_entry.cb = on_sweep;
    h2o_timeout_link(ctx->loop, &ctx->one_sec_timeout, &connections->sweep_entry);
    return hangup_init(&connections->hangup, ctx->loop, err);
}
