/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the balancer and for whatever else a process of the worker waits for. The frames are those of
 * net/websocket.c, and the messages in them are encoded in proto/slot.c. */
#include "worker/ws_client.h"

#include "base/io.h"
#include "proto/limits.h"
#include "proto/slot.h"
#include "worker/stop_signal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define CLOSE_POLICY 1008u /* RFC 6455 section 7.4.1 */

struct ws_client {
    int socket; /* owned */
    struct pe_websocket *websocket;
    const struct ws_company *company; /* NULL: none; borrowed */
    bool queued;                      /* WS_CLIENT_SENT is due when everything has been sent */
};

/* ---- beginning and end ---- */

struct ws_client *ws_client_open(int socket, struct pe_error *err)
{
    static const struct pe_websocket_terms terms = {.peer = "the balancer",
                                                    .message_max = PE_SLOT_TEXT_MAX,
                                                    .ping_ms = PE_SLOT_PING_MS,
                                                    .queued_max = 64};
    struct ws_client *client = calloc(1, sizeof *client);
    if (!client) {
        pe_fail_errno(err, "out of memory for a WebSocket connection");
        close(socket);
        return NULL;
    }
    client->socket = socket;
    client->websocket = pe_websocket_open(&(struct pe_connection){.socket = socket}, &terms, err);
    if (client->websocket)
        return client;
    ws_client_close(client);
    return NULL;
}

void ws_client_keep_company(struct ws_client *client, const struct ws_company *company)
{
    client->company = company;
}

static bool is_version_refused(const struct ws_client *client)
{
    return pe_websocket_closed(client->websocket)->code == PE_SLOT_CLOSE_VERSION;
}

enum retry_cause ws_client_cause(const struct ws_client *client)
{
    if (is_version_refused(client))
        return RETRY_VERSION;
    return pe_websocket_closed(client->websocket)->code == CLOSE_POLICY ? RETRY_REFUSED : RETRY_LOST;
}

void ws_client_close(struct ws_client *client)
{
    if (!client)
        return;
    pe_websocket_free(client->websocket);
    close(client->socket);
    free(client);
}

/* ---- messages ---- */

int ws_client_pump(struct ws_client *client, struct pe_error *err)
{
    if (pe_websocket_pump(client->websocket, err) == 0)
        return 0;
    if (is_version_refused(client))
        pe_fail(err, PE_ERR_INVALID, "the balancer refuses this worker: %s",
                pe_websocket_closed(client->websocket)->reason);
    return -1;
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
    struct pollfd fds[2 + WS_COMPANY_MAX] = {ws_client_poll(client), {.fd = fd, .events = POLLIN}};
    nfds_t count = 2;
    if (client->company)
        count += client->company->watch(client->company->context, fds + 2, &wake);
    uint64_t left = wake > now ? wake - now : 0;
    const struct timespec timeout = {(time_t)(left / 1000000), (long)(left % 1000000) * 1000};
    sigset_t none;
    sigemptyset(&none);
    int n = ppoll(fds, count, &timeout, &none);
    if (n < 0 && errno != EINTR)
        return pe_fail_errno(err, "cannot wait for the balancer");
    *fd_ready = n > 0 && fds[1].revents;
    if (client->company)
        client->company->serve(client->company->context);
    return 0;
}

int ws_client_wait(struct ws_client *client, int fd, uint64_t deadline_us, bool stoppable,
                   enum ws_client_event *event, struct pe_error *err)
{
    bool fd_ready = false;
    for (;;) {
        if (ws_client_pump(client, err) < 0)
            return -1;
        if (pe_websocket_has_message(client->websocket))
            return *event = WS_CLIENT_MESSAGE, 0;
        if (client->queued && !pe_websocket_is_sending(client->websocket)) {
            client->queued = false;
            return *event = WS_CLIENT_SENT, 0;
        }
        if (fd_ready)
            return *event = WS_CLIENT_FD, 0;
        if (deadline_us && pe_now_us() >= deadline_us)
            return *event = WS_CLIENT_DEADLINE, 0;
        if (stoppable && stop_requested)
            return *event = WS_CLIENT_STOP, 0;
        if (sleep_until(client, fd, deadline_us, &fd_ready, err) < 0)
            return -1;
    }
}

int ws_client_send(struct ws_client *client, bool is_text, const void *bytes, size_t size,
                   uint64_t deadline_us, struct pe_error *err)
{
    if (pe_websocket_queue(client->websocket, is_text, bytes, size, err) < 0)
        return -1;
    for (;;) {
        bool ignored = false;
        if (ws_client_pump(client, err) < 0)
            return -1;
        if (!pe_websocket_is_sending(client->websocket))
            return 0;
        if (deadline_us && pe_now_us() >= deadline_us)
            return pe_fail(err, PE_ERR_TIMEOUT, "the balancer does not read what it is sent");
        if (sleep_until(client, -1, deadline_us, &ignored, err) < 0)
            return -1;
    }
}

int ws_client_post(struct ws_client *client, bool is_text, const void *bytes, size_t size,
                   struct pe_error *err)
{
    return pe_websocket_queue(client->websocket, is_text, bytes, size, err) < 0 ? -1
                                                                                : ws_client_pump(client, err);
}

struct pollfd ws_client_poll(const struct ws_client *client)
{
    return (struct pollfd){.fd = client->socket, .events = pe_websocket_events(client->websocket)};
}

bool ws_client_has_message(const struct ws_client *client)
{
    return pe_websocket_has_message(client->websocket);
}

int ws_client_queue(struct ws_client *client, bool is_text, const void *bytes, size_t size,
                    struct pe_error *err)
{
    if (ws_client_post(client, is_text, bytes, size, err) < 0)
        return -1;
    client->queued = pe_websocket_is_sending(client->websocket);
    return 0;
}

bool ws_client_is_sending(const struct ws_client *client)
{
    return pe_websocket_is_sending(client->websocket);
}

struct pe_websocket_message *ws_client_next(struct ws_client *client)
{
    return pe_websocket_next(client->websocket);
}
