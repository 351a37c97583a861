/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of a WebSocket. The messages that travel over it are encoded in proto/slot.c. */
#include "worker/ws_client.h"

#include "base/io.h"
#include "proto/limits.h"
#include "proto/slot.h"
#include "worker/stop_signal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define RETRY_MS 1000u
#define VERSION_RETRY_MS 30000u
#define SILENCE_US (3ull * PE_SLOT_PING_MS * 1000)
#define WAITING_MESSAGES_MAX 64 /* reading pauses while as many wait */

struct ws_client {
    int socket; /* owned */
    wslay_event_context_ptr frames;
    struct ws_message *first, **last;
    size_t waiting;
    uint64_t heard_us, pinged_us;
    bool ended;
    uint16_t close_code;    /* code of the balancer's Close frame; 0: none has arrived */
    char close_reason[124]; /* reason in that frame */
};

/* ---- wslay's callbacks ---- */

/* wslay's result of a read or write that did not succeed. */
static ssize_t fail(struct ws_client *client, bool must_wait)
{
    client->ended |= !must_wait;
    wslay_event_set_error(client->frames, must_wait ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_receive(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, int flags, void *user)
{
    (void)frames, (void)flags;
    struct ws_client *client = user;
    ssize_t n = recv(client->socket, bytes, size, MSG_DONTWAIT);
    if (n <= 0)
        return fail(client, n < 0 && (errno == EAGAIN || errno == EINTR));
    client->heard_us = pe_now_us();
    return n;
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *bytes, size_t size, int flags,
                       void *user)
{
    (void)frames, (void)flags;
    struct ws_client *client = user;
    ssize_t n = send(client->socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n >= 0 ? n : fail(client, errno == EAGAIN || errno == EINTR);
}

static int on_mask(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, void *user)
{
    (void)frames, (void)user;
    pe_random(bytes, size);
    return 0;
}

/* The content of a Close frame is a code of two bytes and a reason (RFC 6455 section 5.5.1). */
static void keep_close(struct ws_client *client, const struct wslay_event_on_msg_recv_arg *arg)
{
    client->close_code = arg->status_code;
    if (arg->msg_length > 2)
        snprintf(client->close_reason, sizeof client->close_reason, "%.*s", (int)arg->msg_length - 2,
                 (const char *)arg->msg + 2);
}

static void on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user)
{
    struct ws_client *client = user;
    if (arg->opcode == WSLAY_CONNECTION_CLOSE)
        keep_close(client, arg);
    if (arg->opcode != WSLAY_TEXT_FRAME && arg->opcode != WSLAY_BINARY_FRAME)
        return;
    struct ws_message *message = malloc(sizeof *message + arg->msg_length);
    if (!message) {
        wslay_event_set_error(frames, WSLAY_ERR_NOMEM);
        return;
    }
    *message = (struct ws_message){.is_text = arg->opcode == WSLAY_TEXT_FRAME, .size = arg->msg_length};
    if (arg->msg_length) /* otherwise wslay has no bytes to point to */
        memcpy(message->bytes, arg->msg, arg->msg_length);
    *client->last = message;
    client->last = &message->next;
    client->waiting++;
}

/* ---- beginning and end ---- */

struct ws_client *ws_client_open(int socket, struct pe_error *err)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_receive,
                                                           .send_callback = on_send,
                                                           .genmask_callback = on_mask,
                                                           .on_msg_recv_callback = on_message};
    struct ws_client *client = calloc(1, sizeof *client);
    if (!client) {
        pe_fail_errno(err, "cannot allocate a WebSocket connection");
        close(socket);
        return NULL;
    }
    client->last = &client->first;
    client->socket = socket;
    if (wslay_event_context_client_init(&client->frames, &callbacks, client) != 0) {
        pe_fail(err, PE_ERR_INTERNAL, "wslay is out of memory");
        ws_client_close(client);
        return NULL;
    }
    wslay_event_config_set_max_recv_msg_length(client->frames, PE_SLOT_TEXT_MAX);
    client->heard_us = client->pinged_us = pe_now_us();
    return client;
}

unsigned ws_client_retry_ms(const struct ws_client *client)
{
    return client && client->close_code == PE_SLOT_CLOSE_VERSION ? VERSION_RETRY_MS : RETRY_MS;
}

void ws_client_close(struct ws_client *client)
{
    if (!client)
        return;
    if (client->frames) {
        if (!client->ended &&
            wslay_event_queue_close(client->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0) == 0)
            wslay_event_send(client->frames);
        wslay_event_context_free(client->frames);
    }
    for (struct ws_message *message = ws_client_next(client); message; message = ws_client_next(client))
        free(message);
    close(client->socket);
    free(client);
}

/* ---- messages ---- */

static int lost(struct pe_error *err, const char *why)
{
    return pe_fail(err, PE_ERR_LOST, "the connection to the balancer is lost: %s", why);
}

/* Send and receive frames as far as possible without waiting. */
static int pump(struct ws_client *client, struct pe_error *err)
{
    if (client->waiting < WAITING_MESSAGES_MAX && wslay_event_want_read(client->frames) &&
        wslay_event_recv(client->frames) != 0)
        return lost(err,
                    client->ended ? "the balancer closed it" : "the balancer broke the WebSocket protocol");
    if (wslay_event_want_write(client->frames) && wslay_event_send(client->frames) != 0)
        return lost(err, "the balancer closed it");
    if (!wslay_event_get_close_received(client->frames))
        /* After an error in the protocol wslay reads nothing more, and sends a Close frame. */
        return wslay_event_get_read_enabled(client->frames)
                   ? 0
                   : lost(err, "the balancer broke the WebSocket protocol");
    if (client->close_code == PE_SLOT_CLOSE_VERSION)
        return pe_fail(err, PE_ERR_INVALID, "the balancer refuses this worker: %s", client->close_reason);
    return pe_fail(err, PE_ERR_LOST, "the balancer closed the connection%s%s",
                   client->close_reason[0] ? ": " : "", client->close_reason);
}

static int keep_alive(struct ws_client *client, uint64_t now, struct pe_error *err)
{
    if (now - client->heard_us > SILENCE_US && client->waiting < WAITING_MESSAGES_MAX)
        return lost(err, "the balancer fell silent");
    if (now - client->pinged_us > PE_SLOT_PING_MS * 1000ull) {
        const struct wslay_event_msg ping = {.opcode = WSLAY_PING};
        client->pinged_us = now;
        if (wslay_event_queue_msg(client->frames, &ping) != 0)
            return lost(err, "it is being closed");
    }
    return 0;
}

/* Sleep until there is something to do for the socket, `fd` (then `*fd_ready` is set), a signal or
 * the clock.
 */
static int sleep_until(struct ws_client *client, int fd, uint64_t deadline_us, bool *fd_ready,
                       struct pe_error *err)
{
    uint64_t now = pe_now_us();
    uint64_t wake = now + PE_SLOT_PING_MS * 1000ull;
    if (deadline_us && deadline_us < wake)
        wake = deadline_us;
    uint64_t left = wake > now ? wake - now : 0;
    const struct timespec timeout = {(time_t)(left / 1000000), (long)(left % 1000000) * 1000};
    short events = 0;
    if (client->waiting < WAITING_MESSAGES_MAX)
        events |= POLLIN;
    if (wslay_event_want_write(client->frames))
        events |= POLLOUT;
    struct pollfd fds[] = {{.fd = client->socket, .events = events}, {.fd = fd, .events = POLLIN}};
    sigset_t none;
    sigemptyset(&none);
    int n = ppoll(fds, 2, &timeout, &none);
    if (n < 0 && errno != EINTR)
        return pe_fail_errno(err, "cannot wait for the balancer");
    *fd_ready = n > 0 && fds[1].revents;
    return 0;
}

int ws_client_wait(struct ws_client *client, int fd, uint64_t deadline_us, bool stoppable,
                   enum ws_client_event *event, struct pe_error *err)
{
    bool fd_ready = false;
    for (;;) {
        if (pump(client, err) < 0)
            return -1;
        uint64_t now = pe_now_us();
        if (client->first)
            return *event = WS_CLIENT_MESSAGE, 0;
        if (fd_ready)
            return *event = WS_CLIENT_FD, 0;
        if (deadline_us && now >= deadline_us)
            return *event = WS_CLIENT_DEADLINE, 0;
        if (stoppable && stop_requested)
            return *event = WS_CLIENT_STOP, 0;
        if (keep_alive(client, now, err) < 0 || sleep_until(client, fd, deadline_us, &fd_ready, err) < 0)
            return -1;
    }
}

int ws_client_send(struct ws_client *client, bool is_text, const void *bytes, size_t size,
                   struct pe_error *err)
{
    const struct wslay_event_msg message = {
        .opcode = is_text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, .msg = bytes, .msg_length = size};
    if (wslay_event_queue_msg(client->frames, &message) != 0)
        return lost(err, "it is being closed");
    for (;;) {
        bool ignored = false;
        if (pump(client, err) < 0)
            return -1;
        if (!wslay_event_want_write(client->frames))
            return 0;
        if (keep_alive(client, pe_now_us(), err) < 0 || sleep_until(client, -1, 0, &ignored, err) < 0)
            return -1;
    }
}

struct ws_message *ws_client_next(struct ws_client *client)
{
    struct ws_message *message = client->first;
    if (!message)
        return NULL;
    client->first = message->next;
    if (!client->first)
        client->last = &client->first;
    client->waiting--;
    message->next = NULL;
    return message;
}
