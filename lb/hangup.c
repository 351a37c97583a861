/* The nested epoll set. */
#include "lb/hangup.h"

#include "base/cleanup.h"

#include <sys/epoll.h>

/* Hang-ups handled per turn of the loop; the set stays readable, so the rest comes in the next turn. */
enum { PER_TURN = 64 };

static void on_readable(h2o_socket_t *socket, const char *error)
{
    struct hangup *hangup = socket->data;
    if (error)
        return;
    /* One event at a time: handling it may end another watch, whose event must not be in our hands then. */
    for (int i = 0; i < PER_TURN; i++) {
        struct epoll_event event;
        if (epoll_wait(hangup->epoll_fd, &event, 1, 0) <= 0)
            return;
        struct hangup_watch *watch = event.data.ptr;
        hangup_unwatch(hangup, watch);
        watch->on_hangup(watch);
    }
}

int hangup_init(struct hangup *hangup, h2o_loop_t *loop, struct pe_error *err)
{
    hangup->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (hangup->epoll_fd < 0)
        return pe_fail_errno(err, "epoll_create1");
    hangup->socket = h2o_evloop_socket_create(loop, hangup->epoll_fd, H2O_SOCKET_FLAG_DONT_READ);
    hangup->socket->data = hangup;
    h2o_socket_read_start(hangup->socket, on_readable);
    return 0;
}

int hangup_watch(struct hangup *hangup, struct hangup_watch *watch, int fd, struct pe_error *err)
{
    struct epoll_event event = {.events = EPOLLRDHUP, .data = {.ptr = watch}};
    watch->fd = -1;
    if (epoll_ctl(hangup->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return pe_fail_errno(err, "watching a client's connection");
    watch->fd = fd;
    return 0;
}

void hangup_unwatch(struct hangup *hangup, struct hangup_watch *watch)
{
    if (watch->fd >= 0)
        epoll_ctl(hangup->epoll_fd, EPOLL_CTL_DEL, pe_steal_fd(&watch->fd), NULL);
}
