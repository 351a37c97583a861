/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, the queue of received messages, and pings. What the messages say is not known here. */
#include "net/websocket.h"

#include "base/io.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#define UNSENT_MAX 64u    /* messages; reading pauses while more wait, since each ping is answered */
#define UNANSWERED_MAX 2u /* pings; when the next one is due, the server is lost */

struct pe_websocket {
    struct pe_connection connection;
    struct pe_websocket_terms terms;
    wslay_event_context_ptr frames;
    struct pe_websocket_message *first, **last;
    unsigned queued;
    uint64_t pinged_us;
    unsigned unanswered; /* pings, since bytes arrived */
    bool has_ended;
    struct pe_websocket_close closed;
};

/* ---- wslay's callbacks ---- */

/* wslay's result of a read or write that did not succeed. */
static ssize_t fail(struct pe_websocket *websocket, bool must_wait)
{
    websocket->has_ended |= !must_wait;
    wslay_event_set_error(websocket->frames, must_wait ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static bool is_full(const struct pe_websocket *websocket)
{
    return websocket->queued >= websocket->terms.queued_max;
}

static bool may_receive(const struct pe_websocket *websocket)
{
    return !is_full(websocket) && wslay_event_get_queued_msg_count(websocket->frames) <= UNSENT_MAX;
}

static ssize_t on_receive(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, int flags, void *user)
{
    (void)frames, (void)flags;
    struct pe_websocket *websocket = user;
    size_t got = 0;
    /* wslay reads on as long as there are bytes, and a fast server always has some. */
    if (!may_receive(websocket))
        return fail(websocket, true);
    CURLcode code = pe_connection_receive(&websocket->connection, bytes, size, &got);
    if (code != CURLE_OK || got == 0)
        return fail(websocket, code == CURLE_AGAIN);
    websocket->unanswered = 0;
    return (ssize_t)got;
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *bytes, size_t size, int flags,
                       void *user)
{
    (void)frames, (void)flags;
    struct pe_websocket *websocket = user;
    size_t sent = 0;
    CURLcode code = pe_connection_send(&websocket->connection, bytes, size, &sent);
    return code == CURLE_OK ? (ssize_t)sent : fail(websocket, code == CURLE_AGAIN);
}

static int on_mask(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, void *user)
{
    (void)frames, (void)user;
    pe_random(bytes, size);
    return 0;
}

/* The content of a Close frame is a code of two bytes and a reason (RFC 6455 section 5.5.1). */
static void keep_close(struct pe_websocket *websocket, const struct wslay_event_on_msg_recv_arg *arg)
{
    websocket->closed.code = arg->status_code;
    if (arg->msg_length > 2)
        snprintf(websocket->closed.reason, sizeof websocket->closed.reason, "%.*s", (int)arg->msg_length - 2,
                 (const char *)arg->msg + 2);
}

static void on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user)
{
    struct pe_websocket *websocket = user;
    if (arg->opcode == WSLAY_CONNECTION_CLOSE)
        keep_close(websocket, arg);
    if (arg->opcode != WSLAY_TEXT_FRAME && arg->opcode != WSLAY_BINARY_FRAME)
        return;
    struct pe_websocket_message *message = malloc(sizeof *message + arg->msg_length);
    if (!message) {
        wslay_event_set_error(frames, WSLAY_ERR_NOMEM);
        return;
    }
    *message =
        (struct pe_websocket_message){.is_text = arg->opcode == WSLAY_TEXT_FRAME, .size = arg->msg_length};
    if (arg->msg_length) /* otherwise wslay has no bytes to point to */
        memcpy(message->bytes, arg->msg, arg->msg_length);
    *websocket->last = message;
    websocket->last = &message->next;
    websocket->queued++;
}

/* ---- beginning and end ---- */

struct pe_websocket *pe_websocket_open(const struct pe_connection *connection,
                                       const struct pe_websocket_terms *terms, struct pe_error *err)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_receive,
                                                           .send_callback = on_send,
                                                           .genmask_callback = on_mask,
                                                           .on_msg_recv_callback = on_message};
    struct pe_websocket *websocket = calloc(1, sizeof *websocket);
    if (!websocket) {
        pe_fail_errno(err, "out of memory for a WebSocket");
        return NULL;
    }
    websocket->connection = *connection;
    websocket->terms = *terms;
    websocket->last = &websocket->first;
    if (wslay_event_context_client_init(&websocket->frames, &callbacks, websocket) != 0) {
        free(websocket);
        pe_fail(err, PE_ERR_INTERNAL, "out of memory for a WebSocket");
        return NULL;
    }
    wslay_event_config_set_max_recv_msg_length(websocket->frames, terms->message_max);
    websocket->pinged_us = pe_now_us();
    return websocket;
}

void pe_websocket_free(struct pe_websocket *websocket)
{
    if (!websocket)
        return;
    if (!websocket->has_ended &&
        wslay_event_queue_close(websocket->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0) == 0)
        wslay_event_send(websocket->frames);
    wslay_event_context_free(websocket->frames);
    for (struct pe_websocket_message *message = pe_websocket_next(websocket); message;
         message = pe_websocket_next(websocket))
        free(message);
    free(websocket);
}

/* ---- sending and receiving ---- */

static int lost(const struct pe_websocket *websocket, const char *why, struct pe_error *err)
{
    const char *peer = websocket->terms.peer;
    return pe_fail(err, PE_ERR_LOST, "the connection to %s is lost: %s %s", peer, peer, why);
}

int pe_websocket_queue(struct pe_websocket *websocket, bool is_text, const void *bytes, size_t size,
                       struct pe_error *err)
{
    const struct wslay_event_msg message = {
        .opcode = is_text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, .msg = bytes, .msg_length = size};
    if (wslay_event_queue_msg(websocket->frames, &message) != 0)
        return lost(websocket, "is closing it", err);
    return 0;
}

static int transfer(struct pe_websocket *websocket, struct pe_error *err)
{
    wslay_event_context_ptr frames = websocket->frames;
    if (may_receive(websocket) && wslay_event_want_read(frames) && wslay_event_recv(frames) != 0)
        return lost(websocket, websocket->has_ended ? "closed it" : "broke the WebSocket protocol", err);
    if (wslay_event_want_write(frames) && wslay_event_send(frames) != 0)
        return lost(websocket, "closed it", err);
    if (!wslay_event_get_close_received(frames))
        /* After an error in the protocol wslay reads nothing more, and sends a Close frame. */
        return wslay_event_get_read_enabled(frames) ? 0
                                                    : lost(websocket, "broke the WebSocket protocol", err);
    return pe_fail(err, PE_ERR_LOST, "%s closed the connection%s%s", websocket->terms.peer,
                   websocket->closed.reason[0] ? ": " : "", websocket->closed.reason);
}

/* Pings are counted, and no time since the last answer is measured: if both ends stood still for a while,
 * as on a host that was suspended, neither takes the other for lost. */
static int keep_alive(struct pe_websocket *websocket, struct pe_error *err)
{
    const uint64_t now = pe_now_us();
    if (now - websocket->pinged_us <= websocket->terms.ping_ms * 1000ull)
        return 0;
    if (is_full(websocket)) /* then nothing is read, so nothing is known */
        websocket->unanswered = 0;
    if (websocket->unanswered == UNANSWERED_MAX)
        return lost(websocket, "fell silent", err);
    const struct wslay_event_msg ping = {.opcode = WSLAY_PING};
    websocket->pinged_us = now;
    websocket->unanswered++;
    if (wslay_event_queue_msg(websocket->frames, &ping) != 0)
        return lost(websocket, "is closing it", err);
    return 0;
}

int pe_websocket_pump(struct pe_websocket *websocket, struct pe_error *err)
{
    /* What has arrived while the caller was busy shows that the server is not silent. */
    return transfer(websocket, err) < 0 ? -1 : keep_alive(websocket, err);
}

short pe_websocket_events(const struct pe_websocket *websocket)
{
    return (short)((may_receive(websocket) ? POLLIN : 0) |
                   (pe_websocket_is_sending(websocket) ? POLLOUT : 0));
}

bool pe_websocket_is_sending(const struct pe_websocket *websocket)
{
    return wslay_event_want_write(websocket->frames);
}

/* ---- received messages ---- */

bool pe_websocket_has_message(const struct pe_websocket *websocket)
{
    return websocket->first;
}

struct pe_websocket_message *pe_websocket_next(struct pe_websocket *websocket)
{
    struct pe_websocket_message *message = websocket->first;
    if (!message)
        return NULL;
    websocket->first = message->next;
    if (!websocket->first)
        websocket->last = &websocket->first;
    websocket->queued--;
    message->next = NULL;
    return message;
}

const struct pe_websocket_close *pe_websocket_closed(const struct pe_websocket *websocket)
{
    return &websocket->closed;
}
