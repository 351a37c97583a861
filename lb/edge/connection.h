/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about accepted connections beyond what libh2o knows: how many there are and of whom,
 * whether one is slow, whether its client has hung up, and how it ends. */
#ifndef PE_LB_EDGE_CONNECTION_H
#define PE_LB_EDGE_CONNECTION_H

#include "base/error.h"
#include "base/list.h"
#include "lb/edge/address_counts.h"
#include "lb/edge/h2o.h"
#include "lb/edge/hangup.h"
#include "lb/edge/peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;

/* Bounds of connections. */
struct connection_rules {
    uint64_t head_ms;                    /* how long a client may take to send a request's head */
    uint64_t idle_ms;                    /* how long a connection may be idle between two requests */
    uint64_t stall_ms;                   /* how long a client may take nothing of its response */
    size_t total_max;                    /* connections at a time */
    size_t address_max;                  /* connections of one client at a time; 0: no limit */
    const char *log_addresses;           /* "full", "short" or "none" */
    const struct peer_networks *trusted; /* proxies, whose connections are of many clients */
};

struct connections {
    h2o_context_t *ctx;
    struct connection_rules rules;
    struct pe_list open;
    struct pe_list idle; /* those that may be closed to make room, the one that is idle for longest first */
    struct pe_list streaming; /* those with streams of HTTP/2, as of the last look at them */
    uint64_t look_at_us;      /* when to look next */
    struct address_counts addresses;
    size_t count;
    size_t closing; /* connections that were shut down to make room, and are not closed yet */
    size_t unheard; /* connections whose first request has not arrived */
    bool draining;  /* nothing is accepted any more, so a new connection must not stay silent */

    uint64_t slow;               /* connections that were closed because they were slow or idle */
    uint64_t evicted;            /* idle connections that were closed to make room for others */
    uint64_t refused_by_address; /* connections that were refused: their client has too many */
    uint64_t refused_by_total;   /* and those that were refused because there are too many in all */
    uint64_t refusals_logged_us; /* when refusals were logged last */
    uint64_t refusals_unlogged;  /* refusals since then */

    struct hangup hangup;
    size_t lingering; /* refused connections whose clients may not have read the refusal yet */
    h2o_timeout_t linger;
    h2o_timeout_t turn; /* until the next iteration of the loop */
    h2o_timeout_entry_t sweep_entry;

    /* A connection has ended. May be NULL. */
    void (*on_closed)(void *data);
    void *data;
};

/* Start looking, once per second, for connections whose clients are too slow: with a request's
 * head, with its body, with the next request, or with reading a response. `ctx` and what `rules`
 * points to must outlive `connections`, which must stay where it is. `rules` is copied. Fails as
 * hangup_init() does. */
int connections_init(struct connections *connections, h2o_context_t *ctx,
                     const struct connection_rules *rules, struct pe_error *err) PE_MUST_CHECK;

/* Close connections of HTTP/2 for which libh2o holds too many bytes of bodies. To be called in each iteration
 * of the loop, because libh2o has no callback for what arrives; most calls do nothing. */
void connections_look_at_streams(struct connections *connections);

/* Count a connection that was just accepted, until libh2o closes it. If a bound is reached, an idle
 * connection is closed instead; if there is none, `sock` is answered with a problem (not if it is
 * about to speak TLS) and closed, and the result is false. */
bool connection_begin(struct connections *connections, h2o_socket_t *sock, bool tls) PE_MUST_CHECK;

/* The connection that a request belongs to. */
struct connection *connection_of_request(const h2o_req_t *req);

/* Whether at most one request has arrived on it. */
bool connection_is_new(const struct connection *connection);

/* The other side is a worker with a valid token. Its connections do not count as those of a client. */
void connection_is_of_worker(struct connection *connection);

/* The connection is used for something else than requests from now on (WebSocket), and its new
 * user watches over it. */
void connection_leave_http(struct connection *connection);

/* A WebSocket has ended, and the last bytes for the other side are being written: cut the connection off if
 * that takes more than a few seconds. `sock` was accepted here. */
void connection_is_ending(h2o_socket_t *sock);

/* ---- requests ---- */

/* Note that a request has arrived; it ends when the memory pool of the request is freed. Its client
 * need not send anything meanwhile. Then call `handle`: at once or, if this connection has had its
 * share of this iteration of the loop, in a later one. Requests that arrived together would hold the
 * loop otherwise: libh2o begins the next one as soon as a response is in the socket. */
void connection_handle_request(struct connections *connections, h2o_req_t *req,
                               void (*handle)(h2o_req_t *req, void *data), void *data);

/* libh2o has bytes of the response from now on, or again, and the client has to take them: its
 * connection is closed if it takes nothing for connection_rules.stall_ms. */
void connection_response_begin(const h2o_req_t *req);

/* The client has taken them all, and more are still to be made. */
void connection_response_wait(const h2o_req_t *req);

/* ---- the end ---- */

/* Call `on_hangup` from the event loop, once, if the client closes the connection while its
 * request is being handled. It may end the connection. Only for requests over HTTP/1 that have
 * arrived completely; with HTTP/2 libh2o itself ends the request. Fails as hangup_watch() does, and
 * `on_hangup` is not called then. */
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
