/* Noticing that a client went away while its job waits or runs. libh2o does not read a connection while its
 * request is being handled, so it would not see the end until it writes; a second epoll set, itself watched
 * by the loop, holds the clients' sockets for just that event. */
#ifndef PE_LB_HANGUP_H
#define PE_LB_HANGUP_H

#include "base/error.h"
#include "lb/h2o.h"

struct hangup {
    int epoll_fd; /* owned by `socket` once that is made */
    h2o_socket_t *socket;
};

/* Embedded in what waits for a client. `on_hangup` is called once, and may end whatever embeds the watch. */
struct hangup_watch {
    int fd; /* of the client, not owned; -1 when it is not watched */
    void (*on_hangup)(struct hangup_watch *watch);
};

int hangup_init(struct hangup *hangup, h2o_loop_t *loop, struct pe_error *err) PE_MUST_CHECK;

/* Watch a client until hangup_unwatch, which must come before the fd is closed. A client that closes only its
 * sending side counts as gone, as it does for most proxies. */
int hangup_watch(struct hangup *hangup, struct hangup_watch *watch, int fd,
                 struct pe_error *err) PE_MUST_CHECK;
void hangup_unwatch(struct hangup *hangup, struct hangup_watch *watch);

#endif
