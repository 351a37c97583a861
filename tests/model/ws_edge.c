/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of lb/edge/ws_server.h, with the bounds of the real ones. */
#include "tests/model/ws_edge.h"

#include "lb/api/connect.h"
#include "lb/workers/registration.h"
#include "lb/workers/slot_conn.h"
#include "proto/limits.h"
#include "tests/model/balancer.h"
#include "tests/model/clock.h"
#include "tests/model/http_edge.h"

#include <string.h>

enum {
    QUEUE_FULL = 8,
    CLOSE_US = 5000000,
    PEERS = REGISTRATIONS + SLOTS + REQUESTS,
    AHEAD = 2, /* events that a client has not read, and that are in the socket */
    FRAME_SIZE = 16384,
};

static struct peer *peers[PEERS]; /* those that are open */
static struct peer *opening;      /* while the balancer is asked */

static struct peer *from_ws(const struct ws_server *ws)
{
    return (void *)ws->conn;
}

/* ---- the worker's end ---- */

static void add_peer(struct peer *peer)
{
    unsigned at = 0;
    while (peers[at])
        at++;
    peers[at] = peer;
    pe_list_init(&peer->unread);
    peer->unread_count = 0;
    peer->is_killed = false;
    peer->close_by_us = 0;
    peer->close_code = 0;
    opening = peer;
}

void peer_open(struct peer *peer, bool is_slot)
{
    static struct request upgrade; /* that has no connection of a client */
    h2o_req_t *req = &upgrade.req;
    add_peer(peer);
    if (is_slot)
        slot_conn_accept(&balancer.workers, req);
    else
        registration_accept(&balancer.workers, req);
    opening = NULL;
}

void peer_open_session(struct peer *peer, h2o_req_t *req, bool is_piston)
{
    struct client_identity who;
    add_peer(peer);
    if (!is_piston)
        api_connect(&balancer.live, NULL, req);
    else if (!access_identify(&balancer.access, req, &who).status)
        piston_connect(&balancer.piston.connects, &who, req, "key");
    opening = NULL;
}

bool peer_is_heard(const struct peer *peer)
{
    return peer->ws && !peer->ws->closing;
}

void peer_say(struct peer *peer, bool is_text, const void *bytes, size_t size)
{
    if (!peer_is_heard(peer))
        return;
    /* A copy of its own size: a read behind its end is found. */
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, bytes, size);
    if (peer->ws->events->on_arriving)
        peer->ws->events->on_arriving(peer->ws, size);
    if (is_text)
        peer->ws->events->on_text(peer->ws, copy, size);
    else
        peer->ws->events->on_bytes(peer->ws, copy, size);
    free(copy);
}

static void schedule_flush(struct ws_server *ws)
{
    if (!h2o_timeout_is_linked(&ws->flush))
        h2o_timeout_link(ws->context->ctx->loop, &ws->context->ctx->zero_timeout, &ws->flush);
}

struct unread *peer_read(struct peer *peer)
{
    if (!peer->ws || peer->unread.next == &peer->unread)
        return NULL;
    struct unread *message = pe_list_entry(peer->unread.next, struct unread, in_unread);
    pe_list_remove(&message->in_unread);
    peer->unread_count--;
    schedule_flush(peer->ws);
    return message;
}

void peer_end(struct peer *peer)
{
    struct ws_server *ws = peer->ws;
    struct unread *message = NULL;
    if (!ws)
        return;
    while ((message = peer_read(peer)))
        free(message);
    for (unsigned i = 0; i < PEERS; i++)
        if (peers[i] == peer)
            peers[i] = NULL;
    peer->on_end(peer);
    peer->ws = NULL;
    h2o_timeout_unlink(&ws->flush);
    h2o_timeout_unlink(&ws->tick);
    ws->closing = true;
    ws->events->on_closed(ws);
    if (peer->on_gone)
        peer->on_gone(peer);
}

unsigned peers_end_due(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *peer = peers[i];
        if (!peer || (!peer->is_killed && (!peer->close_by_us || clock_us < peer->close_by_us)))
            continue;
        peer_end(peer);
        count++;
    }
    return count;
}

/* ---- the balancer's end: lb/edge/ws_server.h ---- */

static void queue_message(struct ws_server *ws, bool is_text, const void *bytes, size_t size)
{
    struct peer *peer = from_ws(ws);
    if (ws->closing)
        return;
    struct unread *message = malloc(sizeof *message + size);
    if (!message)
        abort();
    *message = (struct unread){.is_text = is_text, .size = size};
    memcpy(message->bytes, bytes, size);
    pe_list_append(&peer->unread, &message->in_unread);
    peer->unread_count++;
    peer->on_sent(peer, is_text, message->bytes, size);
    schedule_flush(ws);
}

/* Take messages from their owner, as far as the client reads. */
static void pull(struct ws_server *ws)
{
    while (ws->read && !ws->closing && from_ws(ws)->unread_count < AHEAD) {
        pe_autobuf struct pe_buf text = {0};
        struct pe_error err;
        for (bool is_end = false; !is_end && !ws->closing;) {
            if (pe_buf_reserve(&text, FRAME_SIZE, &err) < 0)
                abort();
            text.size += ws->read(ws, text.data + text.size, FRAME_SIZE, &is_end);
        }
        ws->read = NULL;
        queue_message(ws, true, text.data, text.size);
        if (!ws->closing)
            ws->events->on_room(ws);
    }
}

static void on_flush(h2o_timeout_entry_t *entry)
{
    struct ws_server *ws = H2O_STRUCT_FROM_MEMBER(struct ws_server, flush, entry);
    pull(ws);
    if (!ws->closing && ws_server_has_room(ws))
        ws->events->on_room(ws);
}

static void on_tick(h2o_timeout_entry_t *entry)
{
    struct ws_server *ws = H2O_STRUCT_FROM_MEMBER(struct ws_server, tick, entry);
    h2o_timeout_link(ws->context->ctx->loop, &ws->context->tick, &ws->tick);
    if (!ws->closing)
        ws->events->on_tick(ws);
}

void ws_context_init(struct ws_context *context, h2o_context_t *ctx, const char *subprotocol,
                     const char *peer)
{
    *context = (struct ws_context){.ctx = ctx, .subprotocol = subprotocol, .peer = peer};
    h2o_timeout_init(ctx->loop, &context->tick, PE_SLOT_PING_MS);
}

bool ws_server_check_handshake(const struct ws_context *context, h2o_req_t *req, const char **client_key)
{
    (void)context;
    (void)req;
    *client_key = "key";
    return true;
}

void ws_server_open(struct ws_server *ws, struct ws_context *context, h2o_req_t *req, const char *client_key,
                    const struct ws_server_events *events)
{
    (void)req;
    (void)client_key;
    *ws = (struct ws_server){.context = context, .events = events, .conn = (void *)opening};
    ws->flush.cb = on_flush;
    ws->tick.cb = on_tick;
    opening->ws = ws;
    h2o_timeout_link(context->ctx->loop, &context->tick, &ws->tick);
}

void ws_server_send_text(struct ws_server *ws, const struct pe_buf *text)
{
    queue_message(ws, true, text->data, text->size);
}

void ws_server_send_bytes(struct ws_server *ws, const void *bytes, size_t size)
{
    queue_message(ws, false, bytes, size);
}

void ws_server_send_read(struct ws_server *ws, ws_server_reader *read)
{
    EXPECT(!ws->read, "a message begins in the middle of another one");
    ws->read = read;
    schedule_flush(ws);
}

void ws_server_limit(struct ws_server *ws, size_t size)
{
    (void)ws;
    (void)size;
}

void ws_server_discard(struct ws_server *ws)
{
    (void)ws;
}

bool ws_server_is_drained(const struct ws_server *ws)
{
    return !ws->read;
}

bool ws_server_has_room(const struct ws_server *ws)
{
    return !ws->closing && from_ws(ws)->unread_count < QUEUE_FULL;
}

static void begin_closing(struct ws_server *ws)
{
    struct peer *peer = from_ws(ws);
    peer->on_closing(peer);
    ws->closing = true;
}

void ws_server_close(struct ws_server *ws, uint16_t code, const char *reason)
{
    if (ws->closing)
        return;
    TRACE("the balancer closes a connection: %u %s", code, reason);
    from_ws(ws)->close_code = code;
    begin_closing(ws);
    from_ws(ws)->close_by_us = clock_us + CLOSE_US;
}

void ws_server_kill(struct ws_server *ws)
{
    if (!ws->closing)
        begin_closing(ws);
    from_ws(ws)->is_killed = true;
}
