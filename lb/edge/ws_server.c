/* WebSocket ends on libh2o and wslay. Everything is sent from a timer of zero length, never from within a
 * call that queues it: a send can fail and end a link, and that must not happen under the feet of a caller
 * who is walking through slots and jobs. */
#include "lb/edge/ws_server.h"

#include "base/io.h"
#include "base/log.h"
#include "lb/edge/connection.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "proto/limits.h"
#include "proto/slot.h"

#include <string.h>
#include <sys/socket.h>

enum {
    QUEUE_FULL = 8,         /* messages; of 64 KiB at most, but for a job's first */
    WRITE_MAX = 128 * 1024, /* bytes collected for one write */
    SILENCE_MS = 3 * PE_SLOT_PING_MS,
    CLOSE_US = 5 * 1000 * 1000,
    REASON_MAX = 123, /* bytes, RFC 6455 section 5.5 */
};

static void want_flush(struct link *link)
{
    if (!h2o_timeout_is_linked(&link->flush))
        h2o_timeout_link(link->server->ctx.loop, &link->server->ctx.zero_timeout, &link->flush);
}

static void end_link(struct link *link);
static void on_flush(h2o_timeout_entry_t *entry);

static void on_written(h2o_socket_t *sock, const char *error)
{
    struct link *link = ((h2o_websocket_conn_t *)sock->data)->data;
    link->sending.size = 0;
    if (error) {
        end_link(link);
        return;
    }
    h2o_timeout_unlink(&link->flush);
    on_flush(&link->flush);
}

/* Everything that came together since the last write goes out in one. */
static void start_writing(struct link *link)
{
    struct pe_buf spare = link->sending;
    if (!link->out.size || h2o_socket_is_writing(link->conn->sock))
        return;
    link->sending = link->out;
    link->out = spare;
    h2o_iovec_t bytes = h2o_iovec_init(link->sending.data, link->sending.size);
    h2o_socket_write(link->conn->sock, &bytes, 1, on_written);
}

static void on_flush(h2o_timeout_entry_t *entry)
{
    struct link *link = H2O_STRUCT_FROM_MEMBER(struct link, flush, entry);
    bool ended = false;
    if (!link->conn->sock)
        return; /* libh2o proceeds by itself once the upgrade's response is out */
    if (!link->closing && link_has_room(link))
        link->events->on_room(link);
    link->ended = &ended;
    h2o_websocket_proceed(link->conn); /* may end the link */
    if (ended)
        return;
    link->ended = NULL;
    start_writing(link);
}

/* ---- callbacks of libh2o and wslay ---- */

/* libh2o closes as soon as wslay is done with its closing handshake; what that wrote is still here. */
static void send_last_words(struct link *link)
{
    h2o_socket_t *sock = link->conn->sock;
    if (sock && !sock->ssl && !h2o_socket_is_writing(sock) && link->out.size &&
        send(h2o_socket_get_fd(sock), link->out.data, link->out.size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        pe_log(PE_LOG_DEBUG, "a worker's connection ended before it heard why");
}

static void end_link(struct link *link)
{
    send_last_words(link);
    h2o_timeout_unlink(&link->flush);
    h2o_timeout_unlink(&link->tick);
    h2o_websocket_close(link->conn);
    link->conn = NULL;
    pe_buf_free(&link->out);
    pe_buf_free(&link->sending);
    if (link->ended)
        *link->ended = true;
    link->closing = true;
    link->events->on_closed(link);
}

static void on_message(h2o_websocket_conn_t *conn, const struct wslay_event_on_msg_recv_arg *message)
{
    struct link *link = conn->data;
    if (!message) {
        end_link(link);
        return;
    }
    if (link->closing)
        return;
    if (message->opcode == WSLAY_TEXT_FRAME)
        link->events->on_text(link, message->msg, message->msg_length);
    else if (message->opcode == WSLAY_BINARY_FRAME && message->msg_length > PE_SLOT_BINARY_MAX)
        link_close(link, WSLAY_CODE_POLICY_VIOLATION, "a binary message is too long");
    else if (message->opcode == WSLAY_BINARY_FRAME)
        link->events->on_bytes(link, message->msg, message->msg_length);
}

/* Every piece of a frame proves that the other side lives, long before a large message is complete. */
static void on_frame_piece(wslay_event_context_ptr context,
                           const struct wslay_event_on_frame_recv_chunk_arg *piece, void *user_data)
{
    (void)context;
    (void)piece;
    struct link *link = ((h2o_websocket_conn_t *)user_data)->data;
    link->heard_ms = h2o_now(link->server->ctx.loop);
}

static void on_frame_start(wslay_event_context_ptr context,
                           const struct wslay_event_on_frame_recv_start_arg *frame, void *user_data)
{
    (void)context;
    (void)frame;
    struct link *link = ((h2o_websocket_conn_t *)user_data)->data;
    link->heard_ms = h2o_now(link->server->ctx.loop);
}

/* libh2o's own callback writes each piece of a frame by itself, and waits for it: small messages would take a
 * turn of the loop each. This one collects what the loop's next write then takes at once. */
static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *bytes, size_t size, int flags,
                       void *user_data)
{
    struct link *link = ((h2o_websocket_conn_t *)user_data)->data;
    struct pe_error err;
    (void)flags;
    if (h2o_socket_is_writing(link->conn->sock)) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (pe_buf_append(&link->out, bytes, size, &err) < 0) {
        wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    if (link->out.size >= WRITE_MAX)
        start_writing(link);
    else
        want_flush(link);
    return (ssize_t)size;
}

/* ---- time ---- */

static void send_ping(struct link *link)
{
    struct wslay_event_msg ping = {.opcode = WSLAY_PING, .msg = (const uint8_t *)"", .msg_length = 0};
    if (wslay_event_queue_msg(link->conn->ws_ctx, &ping) == 0)
        want_flush(link);
}

static void on_tick(h2o_timeout_entry_t *entry)
{
    struct link *link = H2O_STRUCT_FROM_MEMBER(struct link, tick, entry);
    uint64_t now = pe_now_us();
    h2o_timeout_link(link->server->ctx.loop, &link->server->tick, &link->tick);
    if (link->closing ? now >= link->close_by_us
                      : h2o_now(link->server->ctx.loop) - link->heard_ms >= SILENCE_MS) {
        if (!link->closing)
            pe_log(PE_LOG_WARN, "a worker's connection was silent for %d s: closing it", SILENCE_MS / 1000);
        link_kill(link);
        return;
    }
    if (link->closing)
        return;
    send_ping(link);
    link->events->on_tick(link);
}

/* ---- admission ---- */

static bool has_header_value(h2o_req_t *req, const char *name, const char *value)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, name, strlen(name), -1);
    if (at < 0)
        return false;
    h2o_iovec_t have = req->headers.entries[at].value;
    return h2o_contains_token(have.base, have.len, value, strlen(value), ',') != 0;
}

static bool token_fits(const struct server *server, h2o_req_t *req)
{
    static const char scheme[] = "Bearer ";
    size_t prefix = sizeof scheme - 1;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, -1);
    h2o_iovec_t value = at < 0 ? h2o_iovec_init("", 0) : req->headers.entries[at].value;
    if (value.len >= prefix && !strncasecmp(value.base, scheme, prefix))
        value = h2o_iovec_init(value.base + prefix, value.len - prefix);
    else
        value.len = 0;
    return tokens_accept(&server->tokens, value.base, value.len);
}

bool link_authorize(struct server *server, h2o_req_t *req)
{
    if (token_fits(server, req))
        return true;
    struct pe_problem problem = problem_make("unauthorized", "this takes the workers' token");
    answer_header(req, "www-authenticate", "Bearer");
    answer_problem(req, &problem);
    return false;
}

bool link_admit(struct server *server, h2o_req_t *req, const char **client_key)
{
    struct pe_problem problem = {0};
    if (!link_authorize(server, req)) {
        pe_log(PE_LOG_WARN, "a worker without the right token was refused");
        return false;
    }
    if (h2o_is_websocket_handshake(req, client_key) != 0 || !*client_key ||
        !has_header_value(req, "sec-websocket-version", "13")) {
        problem = problem_make("malformed-request", "workers connect here by WebSocket, version 13");
    } else if (!has_header_value(req, "sec-websocket-protocol", PE_SLOT_SUBPROTOCOL)) {
        problem = problem_make("malformed-request", "workers speak the subprotocol %s", PE_SLOT_SUBPROTOCOL);
    }
    if (!problem.status)
        return true;
    answer_problem(req, &problem);
    return false;
}

void link_open(struct link *link, struct server *server, h2o_req_t *req, const char *client_key,
               const struct link_events *events)
{
    *link = (struct link){.server = server, .events = events, .heard_ms = h2o_now(server->ctx.loop)};
    link->flush.cb = on_flush;
    link->tick.cb = on_tick;
    answer_header(req, "sec-websocket-protocol", PE_SLOT_SUBPROTOCOL);
    connection_busy(connection_of(req->conn->callbacks->get_socket(req->conn)));
    link->conn = h2o_upgrade_to_websocket(req, client_key, link, on_message);
    struct wslay_event_callbacks callbacks = link->conn->ws_callbacks;
    callbacks.send_callback = on_send;
    callbacks.on_frame_recv_start_callback = on_frame_start;
    callbacks.on_frame_recv_chunk_callback = on_frame_piece;
    wslay_event_config_set_callbacks(link->conn->ws_ctx, &callbacks);
    wslay_event_config_set_max_recv_msg_length(link->conn->ws_ctx, PE_SLOT_TEXT_MAX);
    h2o_timeout_link(server->ctx.loop, &server->tick, &link->tick);
}

/* ---- sending ---- */

static void queue_message(struct link *link, uint8_t opcode, const void *bytes, size_t size)
{
    if (link->closing)
        return;
    struct wslay_event_msg message = {.opcode = opcode, .msg = bytes, .msg_length = size};
    if (wslay_event_queue_msg(link->conn->ws_ctx, &message) != 0)
        link_kill(link); /* no memory, or the other side is closing */
    else
        want_flush(link);
}

void link_send_text(struct link *link, const struct pe_buf *text)
{
    queue_message(link, WSLAY_TEXT_FRAME, text->data, text->size);
}

void link_send_bytes(struct link *link, const void *bytes, size_t size)
{
    queue_message(link, WSLAY_BINARY_FRAME, bytes, size);
}

bool link_has_room(const struct link *link)
{
    return !link->closing && wslay_event_get_queued_msg_count(link->conn->ws_ctx) < QUEUE_FULL;
}

void link_close(struct link *link, uint16_t code, const char *reason)
{
    if (link->closing)
        return;
    size_t size = strlen(reason) < REASON_MAX ? strlen(reason) : REASON_MAX;
    link->closing = true;
    link->close_by_us = pe_now_us() + CLOSE_US;
    if (wslay_event_queue_close(link->conn->ws_ctx, code, (const uint8_t *)reason, size) != 0)
        link_kill(link);
    else
        want_flush(link);
}

void link_kill(struct link *link)
{
    /* libh2o sees the end of the stream and reports it; without a socket the upgrade is about to fail or to
     * complete, and the next tick comes back here. */
    link->closing = true;
    if (link->conn->sock)
        shutdown(h2o_socket_get_fd(link->conn->sock), SHUT_RDWR);
}
