/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of a WebSocket. The messages that travel over it are encoded in proto/slot.c. */
#include "worker/ws_client.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "proto/limits.h"
#include "proto/slot.h"
#include "worker/stop_signal.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define CONNECT_TIMEOUT_S 10L
#define RETRY_MS 1000u
#define VERSION_RETRY_MS 30000u
#define SILENCE_US (3ull * PE_SLOT_PING_MS * 1000)
#define WAITING_MESSAGES_MAX 64 /* reading pauses while as many wait */
#define RESPONSE_HEAD_MAX 8192

struct ws_client {
    CURL *curl; /* NULL: the socket came connected, and belongs to this struct */
    int socket;
    wslay_event_context_ptr frames;
    uint8_t early[RESPONSE_HEAD_MAX]; /* frames that arrived together with the head of the response */
    size_t early_at, early_size;
    struct ws_message *first, **last;
    size_t waiting;
    uint64_t heard_us, pinged_us;
    bool ended;
    uint16_t close_code;    /* code of the balancer's Close frame; 0: none has arrived */
    char close_reason[124]; /* reason in that frame */
};

/* ---- bytes of the connection ---- */

/* libcurl 7.88 connects a socket again that it was given connected, so such a socket is used without
 * it. Both return CURLE_AGAIN if they would have to wait. */
static CURLcode receive_bytes(const struct ws_client *client, void *bytes, size_t size, size_t *got)
{
    if (client->curl)
        return curl_easy_recv(client->curl, bytes, size, got);
    ssize_t n = recv(client->socket, bytes, size, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CURLE_AGAIN : CURLE_RECV_ERROR;
    *got = (size_t)n;
    return CURLE_OK;
}

static CURLcode send_bytes(const struct ws_client *client, const void *bytes, size_t size, size_t *sent)
{
    if (client->curl)
        return curl_easy_send(client->curl, bytes, size, sent);
    ssize_t n = send(client->socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CURLE_AGAIN : CURLE_SEND_ERROR;
    *sent = (size_t)n;
    return CURLE_OK;
}

/* ---- wslay's callbacks ---- */

static ssize_t on_receive(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, int flags, void *user)
{
    (void)flags;
    struct ws_client *client = user;
    if (client->early_at < client->early_size) {
        size_t n =
            client->early_size - client->early_at < size ? client->early_size - client->early_at : size;
        memcpy(bytes, client->early + client->early_at, n);
        client->early_at += n;
        return (ssize_t)n;
    }
    size_t got = 0;
    CURLcode code = receive_bytes(client, bytes, size, &got);
    if (code == CURLE_OK && got > 0) {
        client->heard_us = pe_now_us();
        return (ssize_t)got;
    }
    client->ended |= code != CURLE_AGAIN;
    wslay_event_set_error(frames, code == CURLE_AGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *bytes, size_t size, int flags,
                       void *user)
{
    (void)flags;
    struct ws_client *client = user;
    size_t sent = 0;
    CURLcode code = send_bytes(client, bytes, size, &sent);
    if (code == CURLE_OK)
        return (ssize_t)sent;
    client->ended |= code != CURLE_AGAIN;
    wslay_event_set_error(frames, code == CURLE_AGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
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

/* ---- connecting ---- */

bool ws_client_is_unix(const char *server)
{
    return !strncmp(server, "unix:", 5);
}

static int connect_socket(struct ws_client *client, const char *server, struct pe_error *err)
{
    client->curl = curl_easy_init();
    if (!client->curl)
        return pe_fail(err, PE_ERR_INTERNAL, "libcurl is out of memory");
    curl_easy_setopt(client->curl, CURLOPT_URL, ws_client_is_unix(server) ? "http://localhost/" : server);
    if (ws_client_is_unix(server))
        curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, server + 5);
    curl_easy_setopt(client->curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    CURLcode code = curl_easy_perform(client->curl);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(client->curl, CURLINFO_ACTIVESOCKET, &client->socket);
    if (code != CURLE_OK)
        return pe_fail(err, PE_ERR_LOST, "cannot connect to the balancer at %s: %s", server,
                       curl_easy_strerror(code));
    return 0;
}

/* Wait for the socket alone, before there are frames. */
static int wait_socket(const struct ws_client *client, short events, uint64_t deadline_us,
                       struct pe_error *err)
{
    uint64_t now = pe_now_us();
    struct pollfd fd = {.fd = client->socket, .events = events};
    if (now >= deadline_us || poll(&fd, 1, (int)((deadline_us - now) / 1000) + 1) <= 0)
        return pe_fail(err, PE_ERR_LOST, "the balancer does not answer the upgrade");
    return 0;
}

static int send_request(struct ws_client *client, const char *request, size_t size, uint64_t deadline_us,
                        struct pe_error *err)
{
    while (size) {
        size_t sent = 0;
        CURLcode code = send_bytes(client, request, size, &sent);
        if (code != CURLE_OK && code != CURLE_AGAIN)
            return pe_fail(err, PE_ERR_LOST, "cannot send the upgrade request: %s", curl_easy_strerror(code));
        request += sent;
        size -= sent;
        if (size && wait_socket(client, POLLOUT, deadline_us, err) < 0)
            return -1;
    }
    return 0;
}

/* Read the head of the response. What follows it are frames. */
static int read_response(struct ws_client *client, char *head, size_t head_size, uint64_t deadline_us,
                         struct pe_error *err)
{
    size_t used = 0;
    for (;;) {
        size_t got = 0;
        CURLcode code = receive_bytes(client, head + used, head_size - 1 - used, &got);
        if (code == CURLE_AGAIN) {
            if (wait_socket(client, POLLIN, deadline_us, err) < 0)
                return -1;
            continue;
        }
        if (code != CURLE_OK || got == 0)
            return pe_fail(err, PE_ERR_LOST, "the balancer closed the connection during the upgrade");
        used += got;
        head[used] = '\0';
        char *end = memmem(head, used, "\r\n\r\n", 4);
        if (end) {
            client->early_size = used - (size_t)(end + 4 - head);
            memcpy(client->early, end + 4, client->early_size);
            end[2] = '\0';
            return 0;
        }
        if (used == head_size - 1)
            return pe_fail(err, PE_ERR_MALFORMED, "the response of the balancer to the upgrade is too long");
    }
}

/* Compute Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2). */
static void accept_for_key(const char *key, char accept[32])
{
    char text[64];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int n = snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    EVP_Digest(text, (size_t)n, digest, &size, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)accept, digest, (int)size);
}

static int check_response(const char *head, const char *key, struct pe_error *err)
{
    char accept[32];
    accept_for_key(key, accept);
    if (!strncmp(head, "HTTP/1.1 101", 12) && strstr(head, accept))
        return 0;
    if (!strncmp(head, "HTTP/1.1 401", 12))
        return pe_fail(err, PE_ERR_INVALID, "the balancer refuses the token; see --token-file");
    return pe_fail(err, PE_ERR_LOST, "the balancer refuses the upgrade: %.*s", (int)strcspn(head, "\r\n"),
                   head);
}

static int upgrade(struct ws_client *client, const char *path, const char *token, struct pe_error *err)
{
    uint8_t nonce[16];
    char key[32], head[RESPONSE_HEAD_MAX];
    pe_autobuf struct pe_buf request = {0};
    pe_random(nonce, sizeof nonce);
    EVP_EncodeBlock((unsigned char *)key, nonce, sizeof nonce);
    if (pe_buf_printf(&request, err,
                      "GET %s HTTP/1.1\r\nHost: balancer\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: "
                      "%s\r\n%s%s%s\r\n",
                      path, key, PE_SLOT_SUBPROTOCOL, token ? "Authorization: Bearer " : "",
                      token ? token : "", token ? "\r\n" : "") < 0)
        return -1;
    uint64_t deadline_us = pe_now_us() + CONNECT_TIMEOUT_S * 1000000;
    if (send_request(client, (const char *)request.data, request.size, deadline_us, err) < 0 ||
        read_response(client, head, sizeof head, deadline_us, err) < 0)
        return -1;
    return check_response(head, key, err);
}

struct ws_client *ws_client_open(const char *server, int connected, const char *path, const char *token,
                                 struct pe_error *err)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_receive,
                                                           .send_callback = on_send,
                                                           .genmask_callback = on_mask,
                                                           .on_msg_recv_callback = on_message};
    struct ws_client *client = calloc(1, sizeof *client);
    if (!client) {
        pe_fail_errno(err, "cannot allocate a WebSocket connection");
        if (connected >= 0)
            close(connected);
        return NULL;
    }
    client->last = &client->first;
    client->socket = connected;
    if ((connected < 0 && connect_socket(client, server, err) < 0) || upgrade(client, path, token, err) < 0) {
        ws_client_close(client);
        return NULL;
    }
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
    if (client->curl)
        curl_easy_cleanup(client->curl);
    else if (client->socket >= 0)
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
