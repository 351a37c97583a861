/* SPDX-License-Identifier: Apache-2.0 */
/* Notices that a client has gone away while its job waits or runs. libh2o does not read a
 * connection while its request is being handled, so it would not see the end of the stream
 * before it writes. A second epoll set, which the event loop watches, holds the sockets of the
 * clients for just this event. A socket is added with the first job of its connection and leaves
 * the set when it is closed, so a further job costs no system call. */
#ifndef PE_LB_EDGE_HANGUP_H
#define PE_LB_EDGE_HANGUP_H

#include "base/error.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hangup_watch;

struct hangup {
    int epoll_fd; /* owned by `socket` */
    h2o_socket_t *socket;
    struct hangup_watch **by_fd; /* the watch of each file descriptor, or NULL */
    size_t count;                /* elements of `by_fd` */
    uint32_t serials;
};

/* One per connection; zero-initialise it before the first job. */
struct hangup_watch {
    uint32_t serial; /* 0: not in the set */
    int fd;
    bool gone; /* the client has gone away */
    void *data;
    void (*on_hangup)(void *data); /* NULL: no job waits or runs */
};

/* Make the epoll set and watch it in `loop`. PE_ERR_INTERNAL with the error of epoll_create1(2). */
int hangup_init(struct hangup *hangup, h2o_loop_t *loop, struct pe_error *err) PE_MUST_CHECK;

/* Call `on_hangup` from the event loop, once, when the client of the connection `fd` goes away,
 * or if it has gone away already. The call may end the connection. A client that closes only its
 * sending side counts as gone, as it does for most proxies. PE_ERR_INTERNAL with the error of
 * epoll_ctl(2), or without memory. */
int hangup_watch(struct hangup *hangup, struct hangup_watch *watch, int fd, void (*on_hangup)(void *data),
                 void *data, struct pe_error *err) PE_MUST_CHECK;

/* The job has ended. The socket stays in the set. */
void hangup_unwatch(struct hangup_watch *watch);

/* The connection is closed. */
void hangup_forget(struct hangup *hangup, struct hangup_watch *watch);

#endif
