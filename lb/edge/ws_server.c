/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket connections on libh2o and wslay. Everything is sent from a timer of zero length,
 * never inside the call that queues it. A send can fail and end the connection, and that must
 * not happen to a caller that is walking over slots and jobs. */
#include "lb/edge/ws_server.h"

#include "base/io.h"
#include "base/log.h"
#include "base/utf8.h"
#include "lb/edge/connection.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "proto/limits.h"
#include "proto/slot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    QUEUE_FULL = 8,         /* messages; each has at most 64 KiB, except the first one of a job */
    WRITE_MAX = 128 * 1024, /* bytes that are collected for one write */
    SILENT_TICKS_MAX = 3,
    CLOSE_US = 5 * 1000 * 1000,
    REASON_MAX = 123,  /* bytes, RFC 6455 section 5.5 */
    UNSENT_MAX = 64,   /* messages; beyond it, the other side sends pings and reads no pongs */
    FRAMES_MAX = 1024, /* of one message: wslay needs over 40 bytes of memory for each */
};

static void schedule_flush(struct ws_server *ws)
{
    if (!h2o_timeout_is_linked(&ws->flush))
        h2o_timeout_link(ws->context->ctx->loop, &ws->context->ctx->zero_timeout, &ws->flush);
}

static void end_ws(struct ws_server *ws);
static void on_flush(h2o_timeout_entry_t *entry);
static void go_on_with_farewell(h2o_websocket_conn_t *conn, const char *error);

static void on_written(h2o_socket_t *sock, const char *error)
{
    h2o_websocket_conn_t *conn = sock->data;
    if (!conn->cb) { /* it has no owner any more */
        go_on_with_farewell(conn, error);
        return;
    }
    struct ws_server *ws = conn->data;
    ws->sending.size = 0;
    if (error) {
        end_ws(ws);
        return;
    }
    h2o_timeout_unlink(&ws->flush);
    on_flush(&ws->flush);
}

/* Write everything that was queued since the last write. */
static void start_writing(struct ws_server *ws)
{
    struct pe_buf spare = ws->sending;
    if (!ws->out.size || h2o_socket_is_writing(ws->conn->sock))
        return;
    ws->sending = ws->out;
    ws->out = spare;
    h2o_iovec_t bytes = h2o_iovec_init(ws->sending.data, ws->sending.size);
    h2o_socket_write(ws->conn->sock, &bytes, 1, on_written);
}

static void on_flush(h2o_timeout_entry_t *entry)
{
    struct ws_server *ws = H2O_STRUCT_FROM_MEMBER(struct ws_server, flush, entry);
    bool ended = false;
    if (!ws->conn->sock)
        return; /* libh2o proceeds by itself when the response to the upgrade was sent */
    if (!ws->closing && ws_server_has_room(ws))
        ws->events->on_room(ws);
    ws->ended = &ended;
    h2o_websocket_proceed(ws->conn); /* may end the connection */
    if (ended)
        return;
    ws->ended = NULL;
    start_writing(ws);
}

/* ---- callbacks of libh2o and wslay ---- */

/* A frame that is malformed in itself, as a ping of 200 bytes, ends the connection in wslay without a close
 * frame. RFC 6455 section 7.1.7 asks for one. */
static bool refuses_frame(const struct ws_server *ws)
{
    wslay_event_context_ptr context = ws->conn->ws_ctx;
    return ws->conn->sock && !ws->closing && !wslay_event_get_read_enabled(context) &&
           !wslay_event_get_close_received(context) && !wslay_event_get_close_sent(context);
}

/* While something is being written, wslay may have handed over only the beginning of a frame. A close frame
 * must not end up in the middle of it. */
static bool finish_frame(struct ws_server *ws)
{
    ws->finishes_frame = true;
    return ws->frame_left == 0 || (wslay_event_send(ws->conn->ws_ctx) == 0 && ws->frame_left == 0);
}

static void refuse_frame(struct ws_server *ws)
{
    static const uint8_t close_frame[] = {0x88, 2, WSLAY_CODE_PROTOCOL_ERROR >> 8,
                                          WSLAY_CODE_PROTOCOL_ERROR & 0xff};
    struct pe_error err;
    if (finish_frame(ws) && pe_buf_append(&ws->out, close_frame, sizeof close_frame, &err) < 0)
        pe_log(PE_LOG_WARN, "%s", err.message);
}

/* A message that is too long (status 1009) is refused while the other side still sends it. A socket that is
 * closed with unread bytes sends a reset, and a reset can overtake the close frame. */
static bool is_too_big(const struct ws_server *ws)
{
    return wslay_event_get_status_code_sent(ws->conn->ws_ctx) == WSLAY_CODE_MESSAGE_TOO_BIG;
}

/* ---- farewell: the close frame is still to be written, and the owner does not wait for that ---- */

struct farewell {
    struct pe_buf out, sending;
};

/* Nothing is read any more, and no callback of the owner is called. lb/edge/connection.c cuts the connection
 * off if the other side does not take what is left. */
static void begin_farewell(struct ws_server *ws)
{
    h2o_websocket_conn_t *conn = ws->conn;
    struct farewell *farewell = h2o_mem_alloc(sizeof *farewell);
    *farewell = (struct farewell){.out = ws->out, .sending = ws->sending};
    ws->out = ws->sending = (struct pe_buf){0};
    conn->data = farewell;
    conn->cb = NULL;
    h2o_socket_read_stop(conn->sock);
    if (!h2o_socket_is_writing(conn->sock))
        go_on_with_farewell(conn, NULL);
}

static void go_on_with_farewell(h2o_websocket_conn_t *conn, const char *error)
{
    struct farewell *farewell = conn->data;
    pe_buf_free(&farewell->sending);
    if (!error && farewell->out.size) {
        farewell->sending = farewell->out;
        farewell->out = (struct pe_buf){0};
        h2o_iovec_t bytes = h2o_iovec_init(farewell->sending.data, farewell->sending.size);
        h2o_socket_write(conn->sock, &bytes, 1, on_written);
        return;
    }
    pe_buf_free(&farewell->out);
    free(farewell);
    h2o_websocket_close(conn);
}

/* libh2o closes the socket when wslay has finished the closing handshake. The close frame is still in `out`,
 * or on its way. */
static void leave_socket(struct ws_server *ws)
{
    h2o_socket_t *sock = ws->conn->sock;
    bool refuses = refuses_frame(ws);
    if (refuses)
        refuse_frame(ws);
    if (sock && (refuses || is_too_big(ws)))
        connection_linger(sock);
    if (sock)
        connection_is_ending(sock);
    if (sock && (refuses || wslay_event_get_close_sent(ws->conn->ws_ctx)))
        begin_farewell(ws);
    else
        h2o_websocket_close(ws->conn);
    ws->conn = NULL;
}

static void end_ws(struct ws_server *ws)
{
    h2o_timeout_unlink(&ws->flush);
    h2o_timeout_unlink(&ws->tick);
    leave_socket(ws);
    pe_buf_free(&ws->out);
    pe_buf_free(&ws->sending);
    if (ws->ended)
        *ws->ended = true;
    ws->closing = true;
    ws->events->on_closed(ws);
}

/* wslay answers every ping, and what it queues has no bound. The same queue has our pings. */
static bool reads_nothing(struct ws_server *ws)
{
    if (wslay_event_get_queued_msg_count(ws->conn->ws_ctx) <= UNSENT_MAX)
        return false;
    if (!ws->is_cut_off)
        pe_log(PE_LOG_WARN, "a %s's connection sends messages and reads none: closing it", ws->context->peer);
    ws->is_cut_off = true;
    ws_server_kill(ws);
    return true;
}

static void on_message(h2o_websocket_conn_t *conn, const struct wslay_event_on_msg_recv_arg *message)
{
    struct ws_server *ws = conn->data;
    if (!message) {
        end_ws(ws);
        return;
    }
    if (reads_nothing(ws) || ws->closing)
        return;
    if (message->opcode == WSLAY_TEXT_FRAME)
        ws->events->on_text(ws, message->msg, message->msg_length);
    else if (message->opcode == WSLAY_BINARY_FRAME)
        ws->events->on_bytes(ws, message->msg, message->msg_length);
}

/* Each piece of a frame shows that the other side is alive, long before a large message is
 * complete. */
static void on_frame_piece(wslay_event_context_ptr context,
                           const struct wslay_event_on_frame_recv_chunk_arg *piece, void *user_data)
{
    (void)context;
    struct ws_server *ws = ((h2o_websocket_conn_t *)user_data)->data;
    ws->silent_ticks = 0;
    if (ws->events->on_arriving && !ws->closing && !ws->in_control_frame)
        ws->events->on_arriving(ws, piece->data_length);
}

static void on_frame_start(wslay_event_context_ptr context,
                           const struct wslay_event_on_frame_recv_start_arg *frame, void *user_data)
{
    struct ws_server *ws = ((h2o_websocket_conn_t *)user_data)->data;
    ws->silent_ticks = 0;
    ws->in_control_frame = wslay_is_ctrl_frame(frame->opcode);
    if (ws->in_control_frame) /* it may stand between the frames of a message */
        return;
    ws->frames = frame->opcode == WSLAY_CONTINUATION_FRAME ? ws->frames + 1 : 1;
    if (ws->frames != FRAMES_MAX + 1)
        return;
    pe_log(PE_LOG_WARN, "a %s's connection sends a message in over %d frames: closing it", ws->context->peer,
           FRAMES_MAX);
    wslay_event_shutdown_read(context);
    ws_server_kill(ws);
}

/* libh2o has read the bytes. Its callback copies them to the message. */
static ssize_t on_receive(wslay_event_context_ptr context, uint8_t *bytes, size_t size, int flags,
                          void *user_data)
{
    h2o_websocket_conn_t *conn = user_data;
    const struct ws_server *ws = conn->data;
    if (!ws->discards)
        return ws->receive(context, bytes, size, flags, user_data);
    h2o_buffer_consume(&conn->sock->input, conn->sock->input->size);
    wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
    return -1;
}

/* wslay hands over the head of a frame as a whole, and then its payload. Frames of a server have no mask (RFC
 * 6455 section 5.2). */
static void note_frame(struct ws_server *ws, const uint8_t *bytes, size_t size)
{
    if (ws->frame_left) {
        ws->frame_left -= size;
        return;
    }
    const uint64_t code = bytes[1] & 0x7f;
    const size_t extended = code == 126 ? 2 : code == 127 ? 8 : 0;
    ws->frame_left = extended ? 0 : code;
    for (size_t i = 0; i < extended; i++)
        ws->frame_left = ws->frame_left << 8 | bytes[2 + i];
}

/* The rest of the last frame is not written yet, but collected behind what is being written. */
static bool takes_bytes(const struct ws_server *ws)
{
    return ws->finishes_frame ? ws->frame_left > 0 : !h2o_socket_is_writing(ws->conn->sock);
}

/* The callback of libh2o writes each piece of a frame separately and waits for it, so a small
 * message would take one iteration of the loop for each piece. This one collects what is then
 * written at once. */
static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *bytes, size_t size, int flags,
                       void *user_data)
{
    struct ws_server *ws = ((h2o_websocket_conn_t *)user_data)->data;
    struct pe_error err;
    (void)flags;
    if (!takes_bytes(ws)) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (pe_buf_append(&ws->out, bytes, size, &err) < 0) {
        wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    note_frame(ws, bytes, size);
    if (ws->finishes_frame)
        return (ssize_t)size;
    if (ws->out.size >= WRITE_MAX)
        start_writing(ws);
    else
        schedule_flush(ws);
    return (ssize_t)size;
}

/* ---- time ---- */

static void send_ping(struct ws_server *ws)
{
    struct wslay_event_msg ping = {.opcode = WSLAY_PING, .msg = (const uint8_t *)"", .msg_length = 0};
    if (wslay_event_queue_msg(ws->conn->ws_ctx, &ping) == 0)
        schedule_flush(ws);
}

static void on_tick(h2o_timeout_entry_t *entry)
{
    struct ws_server *ws = H2O_STRUCT_FROM_MEMBER(struct ws_server, tick, entry);
    uint64_t now = pe_now_us();
    h2o_timeout_link(ws->context->ctx->loop, &ws->context->tick, &ws->tick);
    if (ws->closing ? now >= ws->close_by_us : ws->silent_ticks >= SILENT_TICKS_MAX) {
        if (!ws->closing)
            pe_log(PE_LOG_WARN, "a %s's connection was silent for %u s: closing it", ws->context->peer,
                   SILENT_TICKS_MAX * PE_SLOT_PING_MS / 1000);
        ws_server_kill(ws);
        return;
    }
    ws->silent_ticks++;
    if (ws->closing || reads_nothing(ws))
        return;
    send_ping(ws);
    ws->events->on_tick(ws);
}

/* ---- opening ---- */

static bool has_header_value(h2o_req_t *req, const char *name, const char *value)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, name, strlen(name), -1);
    if (at < 0)
        return false;
    h2o_iovec_t found = req->headers.entries[at].value;
    return h2o_contains_token(found.base, found.len, value, strlen(value), ',') != 0;
}

bool ws_server_check_handshake(const struct ws_context *context, h2o_req_t *req, const char **client_key)
{
    const char *subprotocol = context->subprotocol;
    struct pe_problem problem = {0};
    if (h2o_is_websocket_handshake(req, client_key) != 0 || !*client_key ||
        !has_header_value(req, "sec-websocket-version", "13"))
        problem = problem_make("malformed-request", "this path needs a WebSocket handshake, version 13");
    else if (subprotocol && !has_header_value(req, "sec-websocket-protocol", subprotocol))
        problem =
            problem_make("malformed-request", "this path needs the WebSocket subprotocol %s", subprotocol);
    if (!problem.status)
        return true;
    http_reply_problem(req, &problem);
    return false;
}

void ws_context_init(struct ws_context *context, h2o_context_t *ctx, const char *subprotocol,
                     const char *peer)
{
    *context = (struct ws_context){.ctx = ctx, .subprotocol = subprotocol, .peer = peer};
    h2o_timeout_init(ctx->loop, &context->tick, PE_SLOT_PING_MS);
}

void ws_server_open(struct ws_server *ws, struct ws_context *context, h2o_req_t *req, const char *client_key,
                    const struct ws_server_events *events)
{
    h2o_loop_t *loop = context->ctx->loop;
    *ws = (struct ws_server){.context = context, .events = events};
    ws->flush.cb = on_flush;
    ws->tick.cb = on_tick;
    if (context->subprotocol)
        http_reply_header(req, "sec-websocket-protocol", context->subprotocol);
    connection_leave_http(connection_of_request(req));
    ws->conn = h2o_upgrade_to_websocket(req, client_key, ws, on_message);
    struct wslay_event_callbacks callbacks = ws->conn->ws_callbacks;
    ws->receive = callbacks.recv_callback;
    callbacks.recv_callback = on_receive;
    callbacks.send_callback = on_send;
    callbacks.on_frame_recv_start_callback = on_frame_start;
    callbacks.on_frame_recv_chunk_callback = on_frame_piece;
    wslay_event_config_set_callbacks(ws->conn->ws_ctx, &callbacks);
    wslay_event_config_set_max_recv_msg_length(ws->conn->ws_ctx, PE_SLOT_TEXT_MAX);
    h2o_timeout_link(loop, &context->tick, &ws->tick);
}

/* ---- sending ---- */

static void queue_message(struct ws_server *ws, uint8_t opcode, const void *bytes, size_t size)
{
    if (ws->closing)
        return;
    struct wslay_event_msg message = {.opcode = opcode, .msg = bytes, .msg_length = size};
    if (wslay_event_queue_msg(ws->conn->ws_ctx, &message) != 0)
        ws_server_kill(ws); /* there is no memory, or the other side is closing */
    else
        schedule_flush(ws);
}

void ws_server_send_text(struct ws_server *ws, const struct pe_buf *text)
{
    queue_message(ws, WSLAY_TEXT_FRAME, text->data, text->size);
}

void ws_server_send_bytes(struct ws_server *ws, const void *bytes, size_t size)
{
    queue_message(ws, WSLAY_BINARY_FRAME, bytes, size);
}

static ssize_t read_message(wslay_event_context_ptr context, uint8_t *bytes, size_t room,
                            const union wslay_event_msg_source *source, int *eof, void *user_data)
{
    struct ws_server *ws = ((h2o_websocket_conn_t *)user_data)->data;
    bool is_end = false;
    (void)context;
    (void)source;
    size_t size = ws->read(ws, bytes, room, &is_end);
    *eof = is_end;
    return (ssize_t)size;
}

void ws_server_send_read(struct ws_server *ws, ws_server_reader *read)
{
    const struct wslay_event_fragmented_msg message = {.opcode = WSLAY_TEXT_FRAME,
                                                       .read_callback = read_message};
    if (ws->closing)
        return;
    ws->read = read;
    if (wslay_event_queue_fragmented_msg(ws->conn->ws_ctx, &message) != 0)
        ws_server_kill(ws);
    else
        schedule_flush(ws);
}

void ws_server_limit(struct ws_server *ws, size_t size)
{
    wslay_event_config_set_max_recv_msg_length(ws->conn->ws_ctx, size);
}

void ws_server_discard(struct ws_server *ws)
{
    ws->discards = true;
}

bool ws_server_has_room(const struct ws_server *ws)
{
    return !ws->closing && wslay_event_get_queued_msg_count(ws->conn->ws_ctx) < QUEUE_FULL;
}

bool ws_server_is_drained(const struct ws_server *ws)
{
    return wslay_event_get_queued_msg_count(ws->conn->ws_ctx) == 0;
}

void ws_server_close(struct ws_server *ws, uint16_t code, const char *reason)
{
    if (ws->closing)
        return;
    size_t size = strlen(reason) < REASON_MAX ? strlen(reason) : REASON_MAX;
    if (size < strlen(reason)) /* it must be UTF-8, RFC 6455 section 7.1.6 */
        size -= pe_utf8_unfinished_size((const uint8_t *)reason, size);
    ws->closing = true;
    ws->close_by_us = pe_now_us() + CLOSE_US;
    if (wslay_event_queue_close(ws->conn->ws_ctx, code, (const uint8_t *)reason, size) != 0)
        ws_server_kill(ws);
    else
        schedule_flush(ws);
}

void ws_server_kill(struct ws_server *ws)
{
    /* libh2o sees the end of the stream and reports it. Without a socket, the upgrade is still
     * under way, and the next tick calls this function again. */
    ws->closing = true;
    if (ws->conn->sock)
        shutdown(h2o_socket_get_fd(ws->conn->sock), SHUT_RDWR);
}
