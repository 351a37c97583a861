/* Listening sockets: TCP and UNIX. What becomes of the connections accepted on them is lb/edge/connection.h.
 */
#ifndef PE_LB_EDGE_LISTENER_H
#define PE_LB_EDGE_LISTENER_H

#include "base/error.h"

#include <stdbool.h>

struct server;

/* Listen on "HOST:PORT" ("*:PORT" for every address, "[::1]:PORT" for IPv6) or "unix:PATH", with or without
 * TLS. A port may be one that another pe-lb listens on: the kernel spreads connections over both. A socket
 * file that nobody accepts on is replaced, one in use is an error. */
int listener_open(struct server *server, const char *where, bool tls, struct pe_error *err) PE_MUST_CHECK;

/* Listen on what systemd passes (sd_listen_fds(3)), with TLS on sockets named "tls". Returns how many, or a
 * negative number. */
int listener_adopt(struct server *server, struct pe_error *err) PE_MUST_CHECK;

/* Ask the kernel to give new connections to another process that listens on the same port, if there is one;
 * those that it has given to this one already are still accepted. Sockets from systemd are left at once: it
 * keeps what waits there for whoever comes next. */
void listener_yield_all(struct server *server);

/* Stop listening everywhere and remove our own socket files. Accepted connections stay. */
void listener_close_all(struct server *server);

#endif
