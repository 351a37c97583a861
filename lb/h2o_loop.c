/* SPDX-License-Identifier: Apache-2.0 */
/* Timers and descriptors of lb/core on libh2o's event loop. */
#include "lb/h2o_loop.h"

#include <stdlib.h>

/* ---- timers ---- */

_Static_assert(sizeof(h2o_timeout_entry_t) <= sizeof((struct loop_timer){0}.implementation),
               "struct loop_timer must have room for a timer of libh2o");

/* libh2o's view of a timer. Nobody else accesses this memory, except to clear it before its
 * first use. */
static h2o_timeout_entry_t *entry_of(struct loop_timer *timer)
{
    return (void *)timer->implementation;
}

static void on_timeout(h2o_timeout_entry_t *entry)
{
    struct loop_timer *timer = H2O_STRUCT_FROM_MEMBER(struct loop_timer, implementation, entry);
    timer->on_expire(timer);
}

/* The list of timers with this delay. lb/core uses a handful of constant delays. */
static h2o_timeout_t *list_of(struct h2o_loop *loop, unsigned delay_ms)
{
    if (delay_ms == 0)
        return &loop->ctx->zero_timeout;
    for (size_t i = 0; i < loop->count; i++)
        if (loop->delays[i].timeout == delay_ms)
            return &loop->delays[i];
    if (loop->count == H2O_LOOP_DELAYS)
        abort();
    h2o_timeout_t *delay = &loop->delays[loop->count++];
    h2o_timeout_init(loop->ctx->loop, delay, delay_ms);
    return delay;
}

static void start_timer(struct loop *self, struct loop_timer *timer, unsigned delay_ms)
{
    struct h2o_loop *loop = H2O_STRUCT_FROM_MEMBER(struct h2o_loop, loop, self);
    entry_of(timer)->cb = on_timeout;
    h2o_timeout_link(loop->ctx->loop, list_of(loop, delay_ms), entry_of(timer));
}

static void stop_timer(struct loop *self, struct loop_timer *timer)
{
    (void)self;
    h2o_timeout_unlink(entry_of(timer));
}

/* ---- file descriptors ---- */

struct loop_watch {
    h2o_socket_t *socket;
    void (*on_readable)(void *data);
    void (*on_writable)(void *data);
    void *data;
};

/* An error is reported as readable: reading finds it out. */
static void on_readable(h2o_socket_t *socket, const char *error)
{
    struct loop_watch *watch = socket->data;
    (void)error;
    watch->on_readable(watch->data);
}

static void on_writable(h2o_socket_t *socket, const char *error)
{
    struct loop_watch *watch = socket->data;
    (void)error;
    watch->on_writable(watch->data);
}

static struct loop_watch *start_watch(struct loop *self, int fd, void (*readable)(void *data), void *data)
{
    struct h2o_loop *loop = H2O_STRUCT_FROM_MEMBER(struct h2o_loop, loop, self);
    struct loop_watch *watch = h2o_mem_alloc(sizeof *watch);
    *watch = (struct loop_watch){.on_readable = readable, .data = data};
    watch->socket = h2o_evloop_socket_create(loop->ctx->loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    watch->socket->data = watch;
    h2o_socket_read_start(watch->socket, on_readable);
    return watch;
}

static void await_writable(struct loop_watch *watch, void (*writable)(void *data))
{
    watch->on_writable = writable;
    h2o_socket_notify_write(watch->socket, on_writable);
}

static void unwatch(struct loop_watch *watch)
{
    h2o_socket_close(watch->socket);
    free(watch);
}

void h2o_loop_init(struct h2o_loop *loop, h2o_context_t *ctx)
{
    static const struct loop_ops ops = {start_timer, stop_timer, start_watch, await_writable, unwatch};
    *loop = (struct h2o_loop){.loop = {.ops = &ops}, .ctx = ctx};
}
