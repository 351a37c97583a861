/* SPDX-License-Identifier: Apache-2.0 */
/* The nested epoll set. A closed socket leaves the set only when the last duplicate of its
 * descriptor is closed. So the kernel does not hold a pointer for each socket, but its
 * descriptor and a serial number. Events for a closed connection are ignored. */
#include "lb/edge/hangup.h"

#include <stdlib.h>
#include <sys/epoll.h>

/* Hang-ups handled per iteration of the loop. The set stays readable, so the rest follows in the
 * next one. */
enum { PER_ITERATION = 64 };

static struct hangup_watch *find_watch(const struct hangup *hangup, uint64_t event)
{
    size_t fd = (size_t)(event >> 32);
    struct hangup_watch *watch = fd < hangup->count ? hangup->by_fd[fd] : NULL;
    return watch && watch->serial == (uint32_t)event ? watch : NULL;
}

static void on_readable(h2o_socket_t *socket, const char *error)
{
    struct hangup *hangup = socket->data;
    if (error)
        return;
    for (int i = 0; i < PER_ITERATION; i++) {
        struct epoll_event event;
        if (epoll_wait(hangup->epoll_fd, &event, 1, 0) <= 0)
            return;
        struct hangup_watch *watch = find_watch(hangup, event.data.u64);
        if (!watch)
            continue;
        void (*on_hangup)(void *data) = watch->on_hangup;
        watch->gone = true;
        watch->on_hangup = NULL;
        if (on_hangup)
            on_hangup(watch->data);
    }
}

int hangup_init(struct hangup *hangup, h2o_loop_t *loop, struct pe_error *err)
{
    hangup->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (hangup->epoll_fd < 0)
        return pe_fail_errno(err, "cannot make an epoll set for clients");
    hangup->socket = h2o_evloop_socket_create(loop, hangup->epoll_fd, H2O_SOCKET_FLAG_DONT_READ);
    hangup->socket->data = hangup;
    h2o_socket_read_start(hangup->socket, on_readable);
    return 0;
}

static int make_room(struct hangup *hangup, size_t fd, struct pe_error *err)
{
    if (fd < hangup->count)
        return 0;
    size_t count = fd * 2 + 64;
    struct hangup_watch **by_fd = realloc(hangup->by_fd, count * sizeof *by_fd);
    if (!by_fd)
        return pe_fail_errno(err, "cannot watch a client's connection");
    for (size_t i = hangup->count; i < count; i++)
        by_fd[i] = NULL;
    hangup->by_fd = by_fd;
    hangup->count = count;
    return 0;
}

/* Edge-triggered, so each hang-up is reported once. Modifying an entry makes the kernel check
 * and report it again. */
static int update_epoll(const struct hangup *hangup, int operation, const struct hangup_watch *watch,
                        struct pe_error *err)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET,
                                .data = {.u64 = (uint64_t)watch->fd << 32 | watch->serial}};
    if (epoll_ctl(hangup->epoll_fd, operation, watch->fd, &event) < 0)
        return pe_fail_errno(err, "cannot watch a client's connection");
    return 0;
}

int hangup_watch(struct hangup *hangup, struct hangup_watch *watch, int fd, void (*on_hangup)(void *data),
                 void *data, struct pe_error *err)
{
    if (!watch->serial) {
        if (make_room(hangup, (size_t)fd, err) < 0)
            return -1;
        hangup->serials +=
            hangup->serials == UINT32_MAX ? 2 : 1; /* 0 means that the socket is not in the set */
        *watch = (struct hangup_watch){.serial = hangup->serials, .fd = fd};
        if (update_epoll(hangup, EPOLL_CTL_ADD, watch, err) < 0) {
            watch->serial = 0;
            return -1;
        }
        hangup->by_fd[fd] = watch;
    } else if (watch->gone && update_epoll(hangup, EPOLL_CTL_MOD, watch, err) < 0) {
        return -1;
    }
    watch->on_hangup = on_hangup;
    watch->data = data;
    return 0;
}

void hangup_unwatch(struct hangup_watch *watch)
{
    watch->on_hangup = NULL;
}

void hangup_forget(struct hangup *hangup, struct hangup_watch *watch)
{
    if (watch->serial)
        hangup->by_fd[watch->fd] = NULL;
    watch->serial = 0;
}
