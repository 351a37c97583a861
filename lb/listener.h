/* Listening sockets: TCP and UNIX. What becomes of the connections accepted on them is lb/connection.h. */
#ifndef PE_LB_LISTENER_H
#define PE_LB_LISTENER_H

#include "base/error.h"

struct server;

/* Listen on "HOST:PORT" ("*:PORT" for every address, "[::1]:PORT" for IPv6) or "unix:PATH". A socket file
 * that nobody accepts on is replaced, one in use is an error. */
int listener_open(struct server *server, const char *where, struct pe_error *err) PE_MUST_CHECK;

/* Stop listening everywhere and remove our own socket files. Accepted connections stay. */
void listener_close_all(struct server *server);

#endif
