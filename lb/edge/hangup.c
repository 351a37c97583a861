/* The nested epoll set. A socket that is closed leaves it only when the last duplicate of its descriptor is
 * gone, so what the kernel holds for an event is no pointer, but a descriptor and a serial number: an event
 * of a connection that is over means nobody. */
#include "lb/edge/hangup.h"

#include <stdlib.h>
#include <sys/epoll.h>

/* Hang-ups handled per turn of the loop; the set stays readable, so the rest comes in the next turn. */
enum { PER_TURN = 64 };

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
    for (int i = 0; i < PER_TURN; i++) {
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
        return pe_fail_errno(err, "epoll_create1");
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
        return pe_fail_errno(err, "watching a client's connection");
    for (size_t i = hangup->count; i < count; i++)
        by_fd[i] = NULL;
    hangup->by_fd = by_fd;
    hangup->count = count;
    return 0;
}

/* Edge-triggered: a client that is gone is said to be so once. Changing the entry makes the kernel look, and
 * say it, again. */
static int update_epoll(const struct hangup *hangup, int operation, const struct hangup_watch *watch,
                        struct pe_error *err)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET,
                                .data = {.u64 = (uint64_t)watch->fd << 32 | watch->serial}};
    if (epoll_ctl(hangup->epoll_fd, operation, watch->fd, &event) < 0)
        return pe_fail_errno(err, "watching a client's connection");
    return 0;
}

int hangup_watch(struct hangup *hangup, struct hangup_watch *watch, int fd, void (*on_hangup)(void *data),
                 void *data, struct pe_error *err)
{
    if (!watch->serial) {
        if (make_room(hangup, (size_t)fd, err) < 0)
            return -1;
        hangup->serials += hangup->serials == UINT32_MAX ? 2 : 1; /* never 0 */
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
