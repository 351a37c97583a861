/* SPDX-License-Identifier: Apache-2.0 */
/* The server's end of one WebSocket connection (RFC 6455): the handshake, messages in both
 * directions, pings, timeouts, closing. What the messages mean is the owner's part (lb/workers). */
#ifndef PE_LB_EDGE_WS_SERVER_H
#define PE_LB_EDGE_WS_SERVER_H

#include "base/buffer.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>
#include <stdint.h>

struct ws_server;

/* Called from the event loop. Only on_closed may free the connection. The last one may be NULL. */
struct ws_server_events {
    void (*on_text)(struct ws_server *ws, const uint8_t *text, size_t size);
    void (*on_bytes)(struct ws_server *ws, const uint8_t *bytes, size_t size);
    void (*on_room)(struct ws_server *ws);   /* ws_server_has_room() is true again */
    void (*on_tick)(struct ws_server *ws);   /* every PE_SLOT_PING_MS */
    void (*on_closed)(struct ws_server *ws); /* the last call: the owner frees the embedding struct */
    void (*on_arriving)(struct ws_server *ws, size_t size); /* so many bytes of a message have arrived */
};

/* Fills `room` bytes with the next bytes of a message, and sets `is_end` with its last ones. Returns their
 * number, at least 1 unless it is the end. Called when there is room for them in the socket. */
typedef size_t ws_server_reader(struct ws_server *ws, uint8_t *bytes, size_t room, bool *is_end);

/* What all connections share. */
struct ws_context {
    h2o_context_t *ctx;
    h2o_timeout_t tick;      /* PE_SLOT_PING_MS: pings, timeouts, and the owner's on_tick */
    const char *subprotocol; /* that the server chooses, RFC 6455 section 1.9; NULL: none */
    const char *peer;        /* what the other side is, for the log */
};

/* Embedded in its owner. */
struct ws_server {
    struct ws_context *context;
    const struct ws_server_events *events;
    ws_server_reader *read; /* of the message that is being sent piece by piece */
    h2o_websocket_conn_t *conn;
    wslay_event_recv_callback receive; /* of libh2o */
    h2o_timeout_entry_t flush, tick;
    unsigned silent_ticks;      /* since bytes arrived; a loop that stood still counts one */
    uint64_t close_by_us;       /* while closing: when to stop waiting for the other side's close frame */
    unsigned frames;            /* of the message that is arriving */
    bool in_control_frame;      /* the frame that is arriving belongs to no message */
    bool closing;               /* no more messages are delivered */
    bool discards;              /* ws_server_discard() was called */
    bool is_cut_off;            /* it was closed because the other side reads nothing */
    bool finishes_frame;        /* nothing but the rest of a frame is taken from wslay */
    uint64_t frame_left;        /* bytes of the frame of which wslay has handed over the beginning */
    bool *ended;                /* set to true when the connection ends inside a call */
    struct pe_buf out, sending; /* frames for the next write, and those that libh2o is writing */
};

/* `ctx`, `subprotocol` and `peer` must outlive `context`, which must stay where it is. */
void ws_context_init(struct ws_context *context, h2o_context_t *ctx, const char *subprotocol,
                     const char *peer);

/* Check a handshake; with a subprotocol, the other side must offer it. Returns true if ws_server_open() can
 * follow; it needs `client_key`. Otherwise the request has been answered with a problem. */
bool ws_server_check_handshake(const struct ws_context *context, h2o_req_t *req, const char **client_key);

/* Upgrade the connection of a request. From now on `ws` must live until on_closed. */
void ws_server_open(struct ws_server *ws, struct ws_context *context, h2o_req_t *req, const char *client_key,
                    const struct ws_server_events *events);

/* Queue a message. The bytes are copied, and sent from the event loop, never inside the call. On
 * a connection that is closing, nothing happens. */
void ws_server_send_text(struct ws_server *ws, const struct pe_buf *text);
void ws_server_send_bytes(struct ws_server *ws, const void *bytes, size_t size);

/* Let a text message be read from its owner as fast as it can be sent, in frames of some KiB. Such a message
 * must be at its end before the next one begins. */
void ws_server_send_read(struct ws_server *ws, ws_server_reader *read);

/* Accept no longer message from now on, instead of one of PE_SLOT_TEXT_MAX bytes. */
void ws_server_limit(struct ws_server *ws, size_t size);

/* Throw away what arrives from now on, the rest of the current message included, and what answers a Close
 * frame: after ws_server_close() the connection ends when the time for that answer is over. A side that goes
 * on sending a message that was refused then costs no more memory, and it can still read why. */
void ws_server_discard(struct ws_server *ws);

/* Whether more should be queued now. A few messages are, so that the connection always has
 * something to send. */
bool ws_server_has_room(const struct ws_server *ws);

/* Whether all queued messages were framed. A close frame overtakes messages that were not. */
bool ws_server_is_drained(const struct ws_server *ws);

/* Start closing, with a WebSocket status code and a reason for the log of the other side. */
void ws_server_close(struct ws_server *ws, uint16_t code, const char *reason);

/* End the connection without a closing handshake. on_closed follows from the event loop. */
void ws_server_kill(struct ws_server *ws);

#endif
