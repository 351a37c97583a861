/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of a WebSocket (RFC 6455) on a connection that has been upgraded. No function waits: the
 * caller polls the connection's socket and calls pe_websocket_pump. wslay reads and writes the frames. */
#ifndef PE_NET_WEBSOCKET_H
#define PE_NET_WEBSOCKET_H

#include "base/error.h"
#include "net/connection.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pe_websocket;

/* A received message. */
struct pe_websocket_message {
    struct pe_websocket_message *next;
    bool is_text;
    size_t size;     /* in bytes */
    uint8_t bytes[]; /* a text has no NUL at its end */
};

/* What both ends are expected to keep. */
struct pe_websocket_terms {
    const char *peer;    /* the server's name in messages, as in "the balancer"; must outlive the WebSocket */
    size_t message_max;  /* bytes of a message from the server; a larger one breaks the protocol */
    unsigned ping_ms;    /* between two pings; two of them without an answer count as a loss */
    unsigned queued_max; /* received messages that may wait; reading pauses while as many do */
};

/* How the server closed the connection. */
struct pe_websocket_close {
    uint16_t code;    /* of its Close frame; 0: none has arrived */
    char reason[124]; /* in that frame; as it was sent, so it may have any bytes */
};

/* Use an upgraded connection, which stays the caller's and must outlive the WebSocket. Returns NULL with
 * PE_ERR_INTERNAL without memory. */
struct pe_websocket *pe_websocket_open(const struct pe_connection *connection,
                                       const struct pe_websocket_terms *terms, struct pe_error *err);

/* Send a Close frame, if that is possible without waiting, and free everything but the connection. Harmless
 * on NULL. */
void pe_websocket_free(struct pe_websocket *websocket);

/* Add a message to those that are to be sent. The bytes are copied. PE_ERR_LOST if the WebSocket is being
 * closed, or without memory. */
int pe_websocket_queue(struct pe_websocket *websocket, bool is_text, const void *bytes, size_t size,
                       struct pe_error *err) PE_MUST_CHECK;

/* Send and receive as much as is possible without waiting, send a ping when it is due, and check that the
 * server has not fallen silent. PE_ERR_LOST if the connection has ended in any way. Messages that arrived
 * before that can still be taken. */
int pe_websocket_pump(struct pe_websocket *websocket, struct pe_error *err) PE_MUST_CHECK;

/* The events of poll(2) that the WebSocket waits for on the connection's socket. 0 while received messages
 * have to be taken first and there is nothing to send. */
short pe_websocket_events(const struct pe_websocket *websocket);

/* True while something that was queued has not been sent. */
bool pe_websocket_is_sending(const struct pe_websocket *websocket);

/* True if a received message waits. */
bool pe_websocket_has_message(const struct pe_websocket *websocket);

/* Remove and return the oldest received message, which the caller frees; NULL if there is none. */
struct pe_websocket_message *pe_websocket_next(struct pe_websocket *websocket);

/* How the server closed the connection. The result belongs to `websocket`. */
const struct pe_websocket_close *pe_websocket_closed(const struct pe_websocket *websocket);

#endif
