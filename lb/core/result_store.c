/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop's side of the result store: messages to the helper and back, its life, and
 * timeouts. The helper's side is store_keeper.c. */
#include "lb/core/result_store.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "lb/core/store_keeper.h"
#include "lb/core/store_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TIMEOUT_MS = 400, /* of a lookup */
    RESTART_MS = 1000,
    DRAIN_MS = 10000,              /* how long the helper may read nothing at the end */
    QUEUED_MAX = 32 * 1024 * 1024, /* bytes on their way to the helper; results beyond that are dropped */
    READ_SIZE = 64 * 1024,
    IN_KEPT_MAX = 1024 * 1024, /* a larger empty buffer is freed */
    SERVERS_MAX = 64,          /* of memcached */
};

struct lookup {
    struct pe_list in_lookups;
    struct result_store *store;
    result_store_callback *callback; /* NULL: forgotten */
    void *data;
    uint64_t tag;
    struct loop_timer timeout;
};

/* ---- lookups ---- */

static struct lookup *find_lookup(const struct result_store *store, uint64_t tag)
{
    pe_list_for_each(node, &store->lookups)
    {
        struct lookup *lookup = pe_list_entry(node, struct lookup, in_lookups);
        if (lookup->tag == tag)
            return lookup;
    }
    return NULL;
}

static void end_lookup(struct lookup *lookup, struct job_result *result)
{
    result_store_callback *callback = lookup->callback;
    void *data = lookup->data;
    struct loop *loop = lookup->store->loop;
    pe_list_remove(&lookup->in_lookups);
    loop->ops->stop_timer(loop, &lookup->timeout);
    free(lookup);
    if (callback)
        callback(data, result);
}

static void on_timeout(struct loop_timer *timer)
{
    struct lookup *lookup = pe_list_entry(timer, struct lookup, timeout);
    lookup->store->timeouts++;
    end_lookup(lookup, NULL);
}

void result_store_forget(struct result_store *store, const void *data)
{
    pe_list_for_each(node, &store->lookups)
    {
        struct lookup *lookup = pe_list_entry(node, struct lookup, in_lookups);
        if (lookup->data == data)
            lookup->callback = NULL;
    }
}

/* ---- sending ---- */

/* Send what is queued. Returns 1 if everything was sent, 0 if the socket is full, and -1 if the
 * helper is gone. */
static int send_queued(struct result_store *store)
{
    for (;;) {
        if (store->sent == store->sending.size) {
            struct pe_buf spare = store->sending;
            store->sending = store->out;
            store->out = spare;
            store->out.size = store->sent = 0;
        }
        if (!store->sending.size)
            return 1;
        ssize_t n = send(store->fd, store->sending.data + store->sent, store->sending.size - store->sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            store->sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        else if (errno != EINTR)
            return -1;
    }
}

/* Called when the socket can be written to. After an error, the reader is made to see the end of
 * the stream: it stops the helper and starts another one. */
static void flush(void *data)
{
    struct result_store *store = data;
    int sent = send_queued(store);
    if (sent == 0)
        store->loop->ops->await_writable(store->watch, flush);
    else if (sent < 0)
        shutdown(store->fd, SHUT_RDWR);
}

static void flush_if_idle(struct result_store *store)
{
    if (store->watch && !store->sending.size)
        flush(store);
}

/* ---- receiving ---- */

static void on_answer(struct result_store *store, const struct store_frame *frame, const void *payload)
{
    struct pe_error err;
    struct job_result *result = NULL;
    struct lookup *lookup = find_lookup(store, frame->tag);
    if (frame->kind == STORE_FOUND &&
        !(result = job_result_decode(store->account, payload, frame->size, &err)))
        pe_log(PE_LOG_WARN, "%s", err.message);
    *(result ? &store->hits : &store->misses) += 1;
    if (lookup)
        end_lookup(lookup, result);
    job_result_unref(result);
}

/* Read what there is. Returns -1 at the end of the stream, or if it cannot be used. */
static int receive(struct result_store *store)
{
    struct pe_error err;
    if (pe_buf_reserve(&store->in, READ_SIZE, &err) < 0)
        return -1;
    ssize_t n = recv(store->fd, store->in.data + store->in.size, READ_SIZE, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
    store->in.size += (size_t)n;
    return n == 0 ? -1 : 0;
}

/* Handle all complete messages. Returns -1 for a message that the helper cannot have sent. */
static int handle_messages(struct result_store *store)
{
    struct store_frame frame;
    size_t at = 0;
    while (store->in.size - at >= sizeof frame) {
        memcpy(&frame, store->in.data + at, sizeof frame);
        if (frame.size > STORE_PAYLOAD_MAX)
            return -1;
        if (store->in.size - at - sizeof frame < frame.size)
            break;
        on_answer(store, &frame, store->in.data + at + sizeof frame);
        at += sizeof frame + frame.size;
    }
    pe_buf_consume(&store->in, at);
    if (store->in.size == 0 && store->in.capacity > IN_KEPT_MAX)
        pe_buf_free(&store->in);
    return 0;
}

static void stop_keeper(struct result_store *store);
static void schedule_restart(struct result_store *store);

static void on_readable(void *data)
{
    struct result_store *store = data;
    if (receive(store) == 0 && handle_messages(store) == 0)
        return;
    pe_log(PE_LOG_ERROR,
           "the store helper has exited: results are kept in memory only until it is restarted");
    stop_keeper(store);
    schedule_restart(store);
}

/* ---- the life of the helper ---- */

/* In the child. Of all open descriptors it keeps the socket and stderr: others may belong to
 * somebody who waits for this process to close them. */
static void become_keeper(const struct result_store_settings *settings, int fd)
{
    char size_text[24];
    const char *arguments[6 + SERVERS_MAX] = {"pe-lb", STORE_KEEPER_ARGUMENT, "3", size_text,
                                              settings->folder ? settings->folder : ""};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(size_text, sizeof size_text, "%llu", (unsigned long long)settings->disk_mib);
    for (size_t i = 0; i < settings->memcached.count && i < SERVERS_MAX; i++)
        arguments[5 + i] = settings->memcached.items[i];
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (dup2(nothing, 0) == 0 && dup2(nothing, 1) == 1 &&
        (fd == 3 ? fcntl(fd, F_SETFD, 0) : dup2(fd, 3)) >= 0 && close_range(4, UINT_MAX, 0) == 0)
        execv("/proc/self/exe", (char *const *)arguments);
    _exit(127);
}

static int start_keeper(struct result_store *store, struct pe_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return pe_fail_errno(err, "cannot make a socket pair for the store helper");
    pe_autoclose int ours = pair[0];
    pe_autoclose int theirs = pair[1];
    store->keeper = fork();
    if (store->keeper == 0)
        become_keeper(store->settings, theirs);
    if (store->keeper < 0) {
        store->keeper = 0;
        return pe_fail_errno(err, "cannot fork the store helper");
    }
    store->fd = pe_steal_fd(&ours);
    store->watch = store->loop->ops->watch(store->loop, store->fd, on_readable, store);
    return 0;
}

static void stop_keeper(struct result_store *store)
{
    if (store->watch)
        store->loop->ops->unwatch(store->watch);
    store->watch = NULL;
    store->out.size = store->sending.size = store->sent = store->in.size = 0;
    if (store->keeper)
        waitpid(store->keeper, NULL, 0); /* it exits because its socket is closed */
    store->keeper = 0;
    while (store->lookups.next != &store->lookups)
        end_lookup(pe_list_entry(store->lookups.next, struct lookup, in_lookups), NULL);
}

static void on_restart(struct loop_timer *timer)
{
    struct result_store *store = pe_list_entry(timer, struct result_store, restart);
    struct pe_error err;
    if (start_keeper(store, &err) == 0)
        return;
    pe_log(PE_LOG_ERROR, "%s", err.message);
    schedule_restart(store);
}

static void schedule_restart(struct result_store *store)
{
    store->loop->ops->start_timer(store->loop, &store->restart, RESTART_MS);
}

int result_store_init(struct result_store *store, struct loop *loop,
                      const struct result_store_settings *settings, size_t *account, struct pe_error *err)
{
    *store = (struct result_store){
        .settings = settings, .loop = loop, .account = account, .restart = {.on_expire = on_restart}};
    pe_list_init(&store->lookups);
    if (settings->memcached.count > SERVERS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--memcached may be given at most %d times", SERVERS_MAX);
    return settings->folder || settings->memcached.count ? start_keeper(store, err) : 0;
}

/* Send everything that is queued. Answers are read and dropped, because a helper that cannot send
 * its answer does not read, either. Returns -1 if the helper is gone or does not read. */
static int drain_queue(struct result_store *store)
{
    struct pollfd poll_fd = {.fd = store->fd, .events = POLLIN | POLLOUT};
    int sent = 0;
    while ((sent = send_queued(store)) == 0) {
        int ready = poll(&poll_fd, 1, DRAIN_MS);
        if (ready == 0 || (ready < 0 && errno != EINTR))
            return -1;
        if (ready > 0 && (poll_fd.revents & ~POLLOUT) && receive(store) < 0)
            return -1;
        store->in.size = 0;
    }
    return sent;
}

void result_store_close(struct result_store *store)
{
    store->loop->ops->stop_timer(store->loop, &store->restart);
    if (store->watch && drain_queue(store) < 0)
        pe_log(PE_LOG_WARN, "the last results were not stored: the store helper does not read");
    stop_keeper(store);
    pe_buf_free(&store->out);
    pe_buf_free(&store->sending);
    pe_buf_free(&store->in);
}

/* ---- looking up and storing ---- */

bool result_store_lookup(struct result_store *store, const struct job_key *key,
                         result_store_callback *callback, void *data)
{
    struct pe_error err;
    struct lookup *lookup = NULL;
    if (!store->watch || store->out.size > QUEUED_MAX || !(lookup = calloc(1, sizeof *lookup)))
        return false;
    struct store_frame frame = {.kind = STORE_GET, .tag = ++store->tags, .key = *key};
    if (pe_buf_append(&store->out, &frame, sizeof frame, &err) < 0) {
        free(lookup);
        return false;
    }
    *lookup = (struct lookup){.store = store,
                              .callback = callback,
                              .data = data,
                              .tag = frame.tag,
                              .timeout = {.on_expire = on_timeout}};
    store->loop->ops->start_timer(store->loop, &lookup->timeout, TIMEOUT_MS);
    pe_list_append(&store->lookups, &lookup->in_lookups);
    flush_if_idle(store);
    return true;
}

void result_store_put(struct result_store *store, const struct job_key *key, const struct job_result *result)
{
    struct pe_error err;
    if (!store->watch)
        return;
    size_t at = store->out.size;
    struct store_frame frame = {.kind = STORE_PUT, .key = *key};
    if (at + result->bytes.size > QUEUED_MAX) {
        store->dropped++;
        return;
    }
    if (pe_buf_append(&store->out, &frame, sizeof frame, &err) < 0 ||
        job_result_encode(result, &store->out, &err) < 0 ||
        store->out.size - at - sizeof frame > STORE_PAYLOAD_MAX) {
        store->out.size = at; /* remove the incomplete message */
        store->dropped++;
        return;
    }
    frame.size = (uint32_t)(store->out.size - at - sizeof frame);
    memcpy(store->out.data + at, &frame, sizeof frame);
    flush_if_idle(store);
}
