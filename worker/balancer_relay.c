/* SPDX-License-Identifier: Apache-2.0 */
/* A link to a balancer with TLS: who reads the clear text must not have the token, and who has the token must
 * not read what guests send. So the link encrypts what it neither makes nor reads. */
#include "worker/balancer_relay.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* Bytes on their way in one direction: those from `at` on are still to be sent. */
struct flow {
    size_t at, size;
    uint8_t bytes[65536];
};

static bool is_empty(const struct flow *flow)
{
    return flow->at == flow->size;
}

/* The functions below return 1 for progress, 0 if they have to wait, and -1 at the end of a connection. */

static int receive(const struct pe_connection *from, struct flow *flow)
{
    size_t got = 0;
    CURLcode code = pe_connection_receive(from, flow->bytes, sizeof flow->bytes, &got);
    if (code == CURLE_AGAIN)
        return 0;
    flow->at = 0;
    flow->size = code == CURLE_OK ? got : 0;
    return flow->size ? 1 : -1;
}

static int send_rest(const struct pe_connection *to, struct flow *flow)
{
    size_t sent = 0;
    CURLcode code = pe_connection_send(to, flow->bytes + flow->at, flow->size - flow->at, &sent);
    flow->at += sent;
    return code == CURLE_OK ? 1 : code == CURLE_AGAIN ? 0 : -1;
}

static void await(int remote, int local, const struct flow *in, const struct flow *out)
{
    struct pollfd fds[] = {
        {.fd = remote, .events = (short)((is_empty(in) ? POLLIN : 0) | (is_empty(out) ? 0 : POLLOUT))},
        {.fd = local, .events = (short)((is_empty(out) ? POLLIN : 0) | (is_empty(in) ? 0 : POLLOUT))}};
    /* A side that has ended is always ready. Only what is waited for may wake this process. */
    for (size_t i = 0; i < 2; i++)
        if (!fds[i].events)
            fds[i].fd = -1;
    poll(fds, 2, -1);
}

void balancer_relay(const struct pe_connection *remote, int local)
{
    static struct flow in, out;
    const struct pe_connection inner = {.socket = local};
    for (;;) {
        /* A record of TLS may be complete in libcurl although the socket is not readable, so everything is
         * tried before this process waits. */
        int inward = is_empty(&in) ? receive(remote, &in) : send_rest(&inner, &in);
        int outward = is_empty(&out) ? receive(&inner, &out) : send_rest(remote, &out);
        if (inward < 0 || outward < 0)
            return;
        if (!inward && !outward)
            await(remote->socket, local, &in, &out);
    }
}
