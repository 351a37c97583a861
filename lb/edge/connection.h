/* What we know of an accepted connection beyond what libh2o does: that it counts, whether it is slow, and how
 * it ends. */
#ifndef PE_LB_EDGE_CONNECTION_H
#define PE_LB_EDGE_CONNECTION_H

#include "lb/edge/h2o.h"
#include "lb/edge/hangup.h"

#include <stdbool.h>

struct connection;
struct server;

/* Count a connection just accepted, until libh2o closes it. */
void connection_begin(struct server *server, h2o_socket_t *sock);

/* A request of it came. */
void connection_request(struct connection *connection);

/* Whether no more than one request of it came yet. */
bool connection_is_new(const struct connection *connection);

/* The connection of a socket, to say that a request of it is being handled: from `busy` to as many `idle`,
 * its client need not send anything. A WebSocket is busy to its end. */
struct connection *connection_of(h2o_socket_t *sock);
void connection_busy(struct connection *connection);
void connection_idle(struct connection *connection);

/* For a request over HTTP/1 that has come as a whole and takes its time, until `idle`: libh2o takes the
 * socket out of its epoll set when it has read a request and puts it in again after the answer. This leaves
 * it in, with nothing read from it: the request's texts are in the buffer that would be read to. */
void connection_leave_polled(struct connection *connection);

/* To notice the client's end while a request of it is being handled. */
struct hangup_watch *connection_hangup(struct connection *connection);

/* When this connection is closed, keep reading and dropping what the client still sends, for a while: closing
 * at once would reset the connection, and the client might never read the answer that refused its body. */
void connection_linger(h2o_socket_t *sock);

/* Begin to look every second for connections whose clients are too slow: with a request's head, with its
 * body, or with the next request. */
void connections_watch(struct server *server);

/* Accept nothing for a moment: there are as many connections as may be, or no file descriptors. */
void connections_pause(struct server *server);

#endif
