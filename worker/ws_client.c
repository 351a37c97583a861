/* The worker's end of a WebSocket. One connection, one thread; every wait also answers pings and notices
 * silence. */
#include "worker/ws_client.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "proto/limits.h"
#include "proto/slot.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <wslay/wslay.h>

#define CONNECT_TIMEOUT_S 10L
#define SILENCE_US (3ull * PE_SLOT_PING_MS * 1000)
#define WAITING_MESSAGES_MAX 64 /* then reading pauses until some are taken */
#define RESPONSE_HEAD_MAX 8192

volatile sig_atomic_t link_stop_requested;

static void on_stop(int signal)
{
    (void)signal;
    link_stop_requested = 1;
}

void link_catch_stop(void)
{
    const struct sigaction action = {.sa_handler = on_stop};
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void link_pause(unsigned ms)
{
    const struct timespec timeout = {ms / 1000, (long)(ms % 1000) * 1000000};
    sigset_t none;
    sigemptyset(&none);
    ppoll(NULL, 0, &timeout, &none);
}

struct link {
    CURL *curl;
    curl_socket_t socket;
    wslay_event_context_ptr frames;
    uint8_t early[RESPONSE_HEAD_MAX]; /* frames that came with the response's head */
    size_t early_at, early_size;
    struct link_message *first, **last;
    size_t waiting;
    uint64_t heard_us, pinged_us;
    bool ended;
};

/* ---- wslay's callbacks ---- */

static ssize_t on_receive(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, int flags, void *user)
{
    (void)flags;
    struct link *link = user;
    if (link->early_at < link->early_size) {
        size_t n = link->early_size - link->early_at < size ? link->early_size - link->early_at : size;
        memcpy(bytes, link->early + link->early_at, n);
        link->early_at += n;
        return (ssize_t)n;
    }
    size_t got = 0;
    CURLcode code = curl_easy_recv(link->curl, bytes, size, &got);
    if (code == CURLE_OK && got > 0) {
        link->heard_us = pe_now_us();
        return (ssize_t)got;
    }
    link->ended |= code != CURLE_AGAIN;
    wslay_event_set_error(frames, code == CURLE_AGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *bytes, size_t size, int flags,
                       void *user)
{
    (void)flags;
    struct link *link = user;
    size_t sent = 0;
    CURLcode code = curl_easy_send(link->curl, bytes, size, &sent);
    if (code == CURLE_OK)
        return (ssize_t)sent;
    link->ended |= code != CURLE_AGAIN;
    wslay_event_set_error(frames, code == CURLE_AGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static int on_mask(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, void *user)
{
    (void)frames, (void)user;
    pe_random(bytes, size);
    return 0;
}

static void on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user)
{
    struct link *link = user;
    if (arg->opcode != WSLAY_TEXT_FRAME && arg->opcode != WSLAY_BINARY_FRAME)
        return;
    struct link_message *message = malloc(sizeof *message + arg->msg_length);
    if (!message) {
        wslay_event_set_error(frames, WSLAY_ERR_NOMEM);
        return;
    }
    *message = (struct link_message){.is_text = arg->opcode == WSLAY_TEXT_FRAME, .size = arg->msg_length};
    memcpy(message->bytes, arg->msg, arg->msg_length);
    *link->last = message;
    link->last = &message->next;
    link->waiting++;
}

/* ---- connecting ---- */

static int connect_socket(struct link *link, const char *server, struct pe_error *err)
{
    bool is_unix = !strncmp(server, "unix:", 5);
    link->curl = curl_easy_init();
    if (!link->curl)
        return pe_fail(err, PE_ERR_INTERNAL, "libcurl: out of memory");
    curl_easy_setopt(link->curl, CURLOPT_URL, is_unix ? "http://localhost/" : server);
    if (is_unix)
        curl_easy_setopt(link->curl, CURLOPT_UNIX_SOCKET_PATH, server + 5);
    curl_easy_setopt(link->curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(link->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(link->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(link->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    CURLcode code = curl_easy_perform(link->curl);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(link->curl, CURLINFO_ACTIVESOCKET, &link->socket);
    if (code != CURLE_OK)
        return pe_fail(err, PE_ERR_LOST, "connecting to %s: %s", server, curl_easy_strerror(code));
    return 0;
}

/* Wait for the socket alone; before there are frames. */
static int wait_socket(const struct link *link, short events, uint64_t deadline_us, struct pe_error *err)
{
    uint64_t now = pe_now_us();
    struct pollfd fd = {.fd = link->socket, .events = events};
    if (now >= deadline_us || poll(&fd, 1, (int)((deadline_us - now) / 1000) + 1) <= 0)
        return pe_fail(err, PE_ERR_LOST, "the balancer does not answer");
    return 0;
}

static int send_request(struct link *link, const char *request, size_t size, uint64_t deadline_us,
                        struct pe_error *err)
{
    while (size) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(link->curl, request, size, &sent);
        if (code != CURLE_OK && code != CURLE_AGAIN)
            return pe_fail(err, PE_ERR_LOST, "sending the upgrade: %s", curl_easy_strerror(code));
        request += sent;
        size -= sent;
        if (size && wait_socket(link, POLLOUT, deadline_us, err) < 0)
            return -1;
    }
    return 0;
}

/* Read the response's head; what follows it are frames. */
static int read_response(struct link *link, char *head, size_t head_size, uint64_t deadline_us,
                         struct pe_error *err)
{
    size_t used = 0;
    for (;;) {
        size_t got = 0;
        CURLcode code = curl_easy_recv(link->curl, head + used, head_size - 1 - used, &got);
        if (code == CURLE_AGAIN) {
            if (wait_socket(link, POLLIN, deadline_us, err) < 0)
                return -1;
            continue;
        }
        if (code != CURLE_OK || got == 0)
            return pe_fail(err, PE_ERR_LOST, "the balancer closed the connection during the upgrade");
        used += got;
        head[used] = '\0';
        char *end = memmem(head, used, "\r\n\r\n", 4);
        if (end) {
            link->early_size = used - (size_t)(end + 4 - head);
            memcpy(link->early, end + 4, link->early_size);
            end[2] = '\0';
            return 0;
        }
        if (used == head_size - 1)
            return pe_fail(err, PE_ERR_MALFORMED, "the balancer's answer to the upgrade is too long");
    }
}

/* Sec-WebSocket-Accept for a key: RFC 6455 section 4.2.2. */
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
        return pe_fail(err, PE_ERR_INVALID, "the balancer refuses the token");
    return pe_fail(err, PE_ERR_LOST, "the balancer refuses the upgrade: %.*s", (int)strcspn(head, "\r\n"),
                   head);
}

static int upgrade(struct link *link, const char *path, const char *token, struct pe_error *err)
{
    uint8_t nonce[16];
    char key[32], head[RESPONSE_HEAD_MAX];
    pe_autobuf struct pe_buf request = {0};
    pe_random(nonce, sizeof nonce);
    EVP_EncodeBlock((unsigned char *)key, nonce, sizeof nonce);
    if (pe_buf_printf(
            &request, err,
            "GET %s HTTP/1.1\r\nHost: balancer\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n%s%s%s\r\n",
            path, key, PE_SLOT_SUBPROTOCOL, token ? "Authorization: Bearer " : "", token ? token : "",
            token ? "\r\n" : "") < 0)
        return -1;
    uint64_t deadline_us = pe_now_us() + CONNECT_TIMEOUT_S * 1000000;
    if (send_request(link, (const char *)request.data, request.size, deadline_us, err) < 0 ||
        read_response(link, head, sizeof head, deadline_us, err) < 0)
        return -1;
    return check_response(head, key, err);
}

struct link *link_open(const char *server, const char *path, const char *token, struct pe_error *err)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_receive,
                                                           .send_callback = on_send,
                                                           .genmask_callback = on_mask,
                                                           .on_msg_recv_callback = on_message};
    struct link *link = calloc(1, sizeof *link);
    if (!link) {
        pe_fail_errno(err, "link");
        return NULL;
    }
    link->last = &link->first;
    if (connect_socket(link, server, err) < 0 || upgrade(link, path, token, err) < 0) {
        link_close(link);
        return NULL;
    }
    if (wslay_event_context_client_init(&link->frames, &callbacks, link) != 0) {
        pe_fail(err, PE_ERR_INTERNAL, "wslay: out of memory");
        link_close(link);
        return NULL;
    }
    wslay_event_config_set_max_recv_msg_length(link->frames, PE_SLOT_TEXT_MAX);
    link->heard_us = link->pinged_us = pe_now_us();
    return link;
}

void link_close(struct link *link)
{
    if (!link)
        return;
    if (link->frames) {
        if (!link->ended && wslay_event_queue_close(link->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0) == 0)
            wslay_event_send(link->frames);
        wslay_event_context_free(link->frames);
    }
    for (struct link_message *message = link_take(link); message; message = link_take(link))
        free(message);
    curl_easy_cleanup(link->curl);
    free(link);
}

/* ---- talking ---- */

static int lost(struct pe_error *err, const char *why)
{
    return pe_fail(err, PE_ERR_LOST, "the connection to the balancer is lost: %s", why);
}

/* Move frames both ways as far as it goes without waiting. */
static int pump(struct link *link, struct pe_error *err)
{
    if (link->waiting < WAITING_MESSAGES_MAX && wslay_event_want_read(link->frames) &&
        wslay_event_recv(link->frames) != 0)
        return lost(err, link->ended ? "it was closed" : "it broke the WebSocket protocol");
    if (wslay_event_want_write(link->frames) && wslay_event_send(link->frames) != 0)
        return lost(err, "it was closed");
    if (wslay_event_get_close_received(link->frames))
        return lost(err, "the balancer said goodbye");
    return 0;
}

static int keep_alive(struct link *link, uint64_t now, struct pe_error *err)
{
    if (now - link->heard_us > SILENCE_US && link->waiting < WAITING_MESSAGES_MAX)
        return lost(err, "it fell silent");
    if (now - link->pinged_us > PE_SLOT_PING_MS * 1000ull) {
        const struct wslay_event_msg ping = {.opcode = WSLAY_PING};
        link->pinged_us = now;
        if (wslay_event_queue_msg(link->frames, &ping) != 0)
            return lost(err, "it is closing");
    }
    return 0;
}

/* Sleep until the socket, `fd`, a signal or the time asks for something. Sets `*fd_ready`. */
static int sleep_until(struct link *link, int fd, uint64_t deadline_us, bool *fd_ready, struct pe_error *err)
{
    uint64_t now = pe_now_us();
    uint64_t wake = now + PE_SLOT_PING_MS * 1000ull;
    if (deadline_us && deadline_us < wake)
        wake = deadline_us;
    uint64_t left = wake > now ? wake - now : 0;
    const struct timespec timeout = {(time_t)(left / 1000000), (long)(left % 1000000) * 1000};
    short events = 0;
    if (link->waiting < WAITING_MESSAGES_MAX)
        events |= POLLIN;
    if (wslay_event_want_write(link->frames))
        events |= POLLOUT;
    struct pollfd fds[] = {{.fd = link->socket, .events = events}, {.fd = fd, .events = POLLIN}};
    sigset_t none;
    sigemptyset(&none);
    int n = ppoll(fds, 2, &timeout, &none);
    if (n < 0 && errno != EINTR)
        return pe_fail_errno(err, "ppoll");
    *fd_ready = n > 0 && fds[1].revents;
    return 0;
}

int link_wait(struct link *link, int fd, uint64_t deadline_us, bool stoppable, enum link_event *event,
              struct pe_error *err)
{
    bool fd_ready = false;
    for (;;) {
        if (pump(link, err) < 0)
            return -1;
        uint64_t now = pe_now_us();
        if (link->first)
            return *event = LINK_MESSAGE, 0;
        if (fd_ready)
            return *event = LINK_FD, 0;
        if (deadline_us && now >= deadline_us)
            return *event = LINK_DEADLINE, 0;
        if (stoppable && link_stop_requested)
            return *event = LINK_STOP, 0;
        if (keep_alive(link, now, err) < 0 || sleep_until(link, fd, deadline_us, &fd_ready, err) < 0)
            return -1;
    }
}

int link_send(struct link *link, bool is_text, const void *bytes, size_t size, struct pe_error *err)
{
    const struct wslay_event_msg message = {
        .opcode = is_text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, .msg = bytes, .msg_length = size};
    if (wslay_event_queue_msg(link->frames, &message) != 0)
        return lost(err, "it is closing");
    for (;;) {
        bool ignored = false;
        if (pump(link, err) < 0)
            return -1;
        if (!wslay_event_want_write(link->frames))
            return 0;
        if (keep_alive(link, pe_now_us(), err) < 0 || sleep_until(link, -1, 0, &ignored, err) < 0)
            return -1;
    }
}

struct link_message *link_take(struct link *link)
{
    struct link_message *message = link->first;
    if (!message)
        return NULL;
    link->first = message->next;
    if (!link->first)
        link->last = &link->first;
    link->waiting--;
    message->next = NULL;
    return message;
}
