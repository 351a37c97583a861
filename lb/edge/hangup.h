/* Noticing that a client went away while its job waits or runs. libh2o does not read a connection while its
 * request is being handled, so it would not see the end until it writes; a second epoll set, itself watched
 * by the loop, holds the clients' sockets for just that event. A socket goes in with its connection's first
 * job and leaves by being closed: a job costs no system call here. */
#ifndef PE_LB_EDGE_HANGUP_H
#define PE_LB_EDGE_HANGUP_H

#include "base/error.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hangup_watch;

struct hangup {
    int epoll_fd; /* owned by `socket` once that is made */
    h2o_socket_t *socket;
    struct hangup_watch **by_fd; /* who a file descriptor's events are for, NULL: nobody */
    size_t count;                /* of `by_fd` */
    uint32_t serials;
};

/* One for each connection, zeroed before its first job. */
struct hangup_watch {
    uint32_t serial; /* 0: not in the set */
    int fd;
    bool gone; /* the client went away */
    void *data;
    void (*on_hangup)(void *data); /* NULL: nothing is awaited from this client */
};

int hangup_init(struct hangup *hangup, h2o_loop_t *loop, struct pe_error *err) PE_MUST_CHECK;

/* Have `on_hangup` called from the loop, once, if the connection's client goes away or did so already. It may
 * end the connection. A client that closes only its sending side counts as gone, as it does for most proxies.
 */
int hangup_watch(struct hangup *hangup, struct hangup_watch *watch, int fd, void (*on_hangup)(void *data),
                 void *data, struct pe_error *err) PE_MUST_CHECK;
void hangup_unwatch(struct hangup_watch *watch);

/* The connection is closed. */
void hangup_forget(struct hangup *hangup, struct hangup_watch *watch);

#endif
