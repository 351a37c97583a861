/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of the socket between the balancer and its store helper. */
#include "tests/model/keeper.h"

#include "base/buffer.h"
#include "base/io.h"
#include "lb/core/store_wire.h"
#include "tests/model/book.h"
#include "tests/model/choices.h"
#include "tests/model/deletions.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

enum { STORED_MAX = 64, LOOKUPS_MAX = 32, READ_SIZE = 65536 };

static struct {
    int fd; /* -1: it does not run */
    struct pe_buf in;
    struct {
        struct job_key key;
        struct pe_buf payload;
    } stored[STORED_MAX];
    unsigned stored_count;
    struct store_frame lookups[LOOKUPS_MAX];
    unsigned lookup_count;
    uint64_t removals;
} keeper = {.fd = -1};

struct loop_watch {
    int fd;
    void (*on_readable)(void *data);
    void (*on_writable)(void *data);
    void *data;
};

static struct loop_watch *watched;

/* ---- the process: what lb/core/helper.c calls to start and end it ---- */

int keeper_socketpair(int domain, int type, int protocol, int pair[2]) __asm__("__wrap_socketpair");
int real_socketpair(int domain, int type, int protocol, int pair[2]) __asm__("__real_socketpair");
pid_t keeper_fork(void) __asm__("__wrap_fork");
int keeper_shutdown(int fd, int how) __asm__("__wrap_shutdown");
int real_shutdown(int fd, int how) __asm__("__real_shutdown");
pid_t keeper_waitpid(pid_t pid, int *status, int flags) __asm__("__wrap_waitpid");

static void stop(void)
{
    if (keeper.fd >= 0)
        close(keeper.fd);
    keeper.fd = -1;
    keeper.in.size = 0;
    keeper.lookup_count = 0;
}

int keeper_socketpair(int domain, int type, int protocol, int pair[2])
{
    int failed = real_socketpair(domain, type, protocol, pair);
    stop();
    if (!failed)
        keeper.fd = fcntl(pair[1], F_DUPFD_CLOEXEC, 0);
    return failed;
}

pid_t keeper_fork(void)
{
    return 1 << 22; /* of no process */
}

/* It exits at the end of its input. */
int keeper_shutdown(int fd, int how)
{
    if (watched && watched->fd == fd)
        stop();
    return real_shutdown(fd, how);
}

pid_t keeper_waitpid(pid_t pid, int *status, int flags)
{
    (void)status;
    (void)flags;
    stop();
    return pid;
}

/* ---- what it reads ---- */

static void note_put(const struct job_key *key, const uint8_t *payload, size_t size)
{
    struct pe_error err;
    unsigned at = 0;
    while (at < keeper.stored_count && job_key_compare(&keeper.stored[at].key, key) != 0)
        at++;
    book_on_put(key->bytes, payload, size);
    if (at == STORED_MAX)
        return;
    keeper.stored_count += at == keeper.stored_count;
    keeper.stored[at].key = *key;
    keeper.stored[at].payload.size = 0;
    if (pe_buf_append(&keeper.stored[at].payload, payload, size, &err) < 0)
        abort();
}

static void note_remove(const struct job_key *key)
{
    EXPECT(options.audits || deletions_so_far() || deletion_is_under_way(),
           "a result is deleted for no reason");
    keeper.removals++;
    for (unsigned i = 0; i < keeper.stored_count; i++)
        if (job_key_compare(&keeper.stored[i].key, key) == 0)
            keeper.stored[i].key = (struct job_key){{0}}; /* of no job */
}

static void note_get(const struct store_frame *frame)
{
    if (keeper.lookup_count < LOOKUPS_MAX)
        keeper.lookups[keeper.lookup_count++] = *frame;
}

static void read_frames(void)
{
    struct store_frame frame;
    size_t at = 0;
    while (keeper.in.size - at >= sizeof frame) {
        memcpy(&frame, keeper.in.data + at, sizeof frame);
        if (keeper.in.size - at - sizeof frame < frame.size)
            break;
        EXPECT(frame.kind <= STORE_REMOVE, "kind %u", frame.kind);
        if (frame.kind == STORE_REMOVE)
            note_remove(&frame.key);
        else if (frame.kind == STORE_PUT)
            note_put(&frame.key, keeper.in.data + at + sizeof frame, frame.size);
        else
            note_get(&frame);
        at += sizeof frame + frame.size;
    }
    pe_buf_consume(&keeper.in, at);
}

uint64_t keeper_removals(void)
{
    return keeper.removals;
}

void keeper_read(void)
{
    struct pe_error err;
    while (keeper.fd >= 0) {
        if (pe_buf_reserve(&keeper.in, READ_SIZE, &err) < 0)
            abort();
        ssize_t n = recv(keeper.fd, keeper.in.data + keeper.in.size, READ_SIZE, MSG_DONTWAIT);
        if (n <= 0)
            break;
        keeper.in.size += (size_t)n;
        read_frames();
    }
}

/* ---- what it answers ---- */

static void answer(struct store_frame frame, const void *payload, size_t size)
{
    frame.size = (uint32_t)size;
    frame.kind = size ? STORE_FOUND : STORE_MISSING;
    if (send(keeper.fd, &frame, sizeof frame, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof frame ||
        (size && send(keeper.fd, payload, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size))
        stop();
}

/* A copy in which one byte is wrong. */
static void answer_damaged(const struct store_frame *frame, const struct pe_buf *payload)
{
    struct pe_error err;
    pe_autobuf struct pe_buf copy = {0};
    if (pe_buf_append(&copy, payload->data, payload->size, &err) < 0 || !copy.data)
        abort();
    copy.data[choose(256) * copy.size / 256] ^= (uint8_t)(1 + choose(255));
    answer(*frame, copy.data, copy.size);
}

static void answer_lookup(const struct store_frame *frame)
{
    const struct pe_buf *found = NULL;
    for (unsigned i = 0; i < keeper.stored_count; i++)
        if (job_key_compare(&keeper.stored[i].key, &frame->key) == 0)
            found = &keeper.stored[i].payload;
    if (!found || chance(10))
        answer(*frame, NULL, 0);
    else if (chance(8))
        answer_damaged(frame, found);
    else if (chance(5))
        answer(*frame, found->data, found->size - 1 - choose(64));
    else
        answer(*frame, found->data, found->size);
}

static void take_lookup(unsigned at)
{
    const struct store_frame frame = keeper.lookups[at];
    bool again = chance(5);
    if (!again)
        memmove(keeper.lookups + at, keeper.lookups + at + 1,
                (--keeper.lookup_count - at) * sizeof *keeper.lookups);
    if (!chance(8)) /* otherwise it forgets to answer */
        answer_lookup(&frame);
}

static void break_protocol(void)
{
    struct store_frame frame = {.size = 0xffffffffu, .kind = choose(8)};
    if (send(keeper.fd, &frame, sizeof frame, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        stop();
}

void keeper_act(void)
{
    if (keeper.fd < 0)
        return;
    if (chance(3))
        stop();
    else if (chance(2))
        break_protocol();
    else if (keeper.lookup_count)
        take_lookup(choose(keeper.lookup_count));
}

/* ---- the loop's part ---- */

struct loop_watch *keeper_watch(struct loop *loop, int fd, void (*on_readable)(void *data), void *data)
{
    struct loop_watch *watch = calloc(1, sizeof *watch);
    (void)loop;
    if (!watch)
        abort();
    *watch = (struct loop_watch){.fd = fd, .on_readable = on_readable, .data = data};
    watched = watch;
    return watch;
}

void keeper_await_writable(struct loop_watch *watch, void (*on_writable)(void *data))
{
    EXPECT(!watch->on_writable, "it is awaited already");
    watch->on_writable = on_writable;
}

void keeper_unwatch(struct loop_watch *watch)
{
    close(watch->fd);
    watched = NULL;
    free(watch);
}

bool keeper_poll(void)
{
    struct pollfd wait = {.events = POLLIN};
    if (!watched)
        return false;
    wait.fd = watched->fd;
    wait.events |= watched->on_writable ? POLLOUT : 0;
    if (poll(&wait, 1, 0) <= 0)
        return false;
    if (wait.revents & POLLOUT && watched->on_writable) {
        void (*on_writable)(void *data) = watched->on_writable;
        watched->on_writable = NULL;
        on_writable(watched->data);
    }
    if (wait.revents & ~POLLOUT)
        watched->on_readable(watched->data);
    return true;
}

void keeper_reset(void)
{
    keeper.stored_count = 0;
}

void keeper_free(void)
{
    stop();
    for (unsigned i = 0; i < STORED_MAX; i++)
        pe_buf_free(&keeper.stored[i].payload);
    pe_buf_free(&keeper.in);
    keeper.stored_count = 0;
}
