/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about accepted connections beyond what libh2o knows: how many there are, whether
 * one is slow, whether its client has hung up, and how it ends. */
#ifndef PE_LB_EDGE_CONNECTION_H
#define PE_LB_EDGE_CONNECTION_H

#include "base/error.h"
#include "base/list.h"
#include "lb/edge/h2o.h"
#include "lb/edge/hangup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;

struct connections {
    h2o_context_t *ctx;
    uint64_t head_ms; /* how long a client may take to send a request's head */
    uint64_t idle_ms; /* how long a connection may be idle between two requests */
    struct pe_list open;
    size_t count;
    size_t unheard; /* connections whose first request has not arrived */
    uint64_t slow;  /* connections that were closed because they were slow or idle */
    bool draining;  /* nothing is accepted any more, so a new connection must not stay silent */
    struct hangup hangup;
    h2o_timeout_t linger;
    h2o_timeout_entry_t sweep_entry;

    /* A connection has ended. May be NULL. */
    void (*on_closed)(void *data);
    void *data;
};

/* Start looking, once per second, for connections whose clients are too slow: with a request's
 * head, with its body, or with the next request. `ctx` must outlive `connections`, which must
 * stay where it is. */
int connections_init(struct connections *connections, h2o_context_t *ctx, uint64_t head_ms, uint64_t idle_ms,
                     struct pe_error *err) PE_MUST_CHECK;

/* Count a connection that was just accepted, until libh2o closes it. */
void connection_begin(struct connections *connections, h2o_socket_t *sock);

/* The connection that a request belongs to. */
struct connection *connection_of_request(const h2o_req_t *req);

/* Note that a request has arrived. */
void connection_request(struct connection *connection);

/* Whether at most one request has arrived on it. */
bool connection_is_new(const struct connection *connection);

/* A request is being handled between `busy` and `idle`; its client need not send anything
 * meanwhile. A WebSocket stays busy. */
void connection_busy(struct connection *connection);
void connection_idle(struct connection *connection);

/* Call `on_hangup` from the event loop, once, if the client closes the connection while its
 * request is being handled. It may end the connection. Only for requests over HTTP/1 that have
 * arrived completely; with HTTP/2 libh2o itself ends the request. */
int connection_watch_hangup(struct connection *connection, void (*on_hangup)(void *data), void *data,
                            struct pe_error *err) PE_MUST_CHECK;
void connection_unwatch_hangup(struct connection *connection);

/* End a request's connection in any state of libh2o. Its requests are disposed of from the event
 * loop. */
void connection_shut_down(const h2o_req_t *req);

/* When this connection is closed, keep reading for a while and drop what the client sends.
 * Without this, the kernel resets the connection, and the client may never read the reply that
 * refused its body. */
void connection_linger(h2o_socket_t *sock);

#endif
