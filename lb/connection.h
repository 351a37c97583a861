/* What we know of an accepted connection beyond what libh2o does: that it counts, and how it ends. */
#ifndef PE_LB_CONNECTION_H
#define PE_LB_CONNECTION_H

#include "lb/h2o.h"

struct server;

/* Count a connection just accepted, until libh2o closes it. */
void connection_begin(struct server *server, h2o_socket_t *sock);

/* When this connection is closed, keep reading and dropping what the client still sends, for a while: closing
 * at once would reset the connection, and the client might never read the answer that refused its body. */
void connection_linger(h2o_socket_t *sock);

/* Accept nothing for a moment: there are as many connections as may be, or no file descriptors. */
void connections_pause(struct server *server);

#endif
