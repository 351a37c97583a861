/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of the helper: one message after the other. The disk is asked first, because it is
 * nearer. What is found in memcached or Redis is stored on disk as well. The helper exits with its
 * parent. */
#include "lb/core/store_keeper.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "lb/core/job_result.h"
#include "lb/core/store_disk.h"
#include "lb/core/store_redis.h"
#include "lb/core/store_redis_reply.h"
#include "lb/core/store_wire.h"

#include <errno.h>
#include <libmemcached/memcached.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

enum {
    MEMCACHED_PORT = 11211,
    MEMCACHED_MS = 100,            /* for connecting, and for each answer */
    MEMCACHED_RETRY_S = 2,         /* a server that failed is not asked for this long */
    SHARED_KEEP_S = 7 * 24 * 3600, /* how long results are kept in memcached or Redis at most */
    EXPIRE_COUNT = 256,            /* results on disk whose age is looked at together */
    SYNC_MS = 2000,
    EXPIRE_US = 60 * 1000 * 1000,
    OPEN_US = 2 * 1000 * 1000, /* between two tries to open the folder, as while its disk is full */
};

struct keeper {
    int fd;
    const char *folder;         /* "": none */
    uint64_t bytes_max;         /* of the folder */
    uint64_t tried_us;          /* to open it */
    uint64_t age_max_s;         /* of results; 0: no limit */
    struct job_key expire_from; /* where to go on to look for old ones */
    uint64_t expired_us;        /* when all of them were looked at last */
    struct store_disk disk;
    memcached_st *shared; /* NULL: none */
    struct store_redis redis;
    bool unsynced;
};

/* ---- memcached ---- */

/* "HOST:PORT" or "HOST". */
static int add_server(memcached_st *shared, const char *where)
{
    char host[256];
    const char *colon = strrchr(where, ':');
    size_t size = colon ? (size_t)(colon - where) : strlen(where);
    snprintf(host, sizeof host, "%.*s", (int)size, where);
    in_port_t port = colon ? (in_port_t)atoi(colon + 1) : MEMCACHED_PORT;
    return memcached_server_add(shared, host, port) == MEMCACHED_SUCCESS ? 0 : -1;
}

static int open_memcached(struct keeper *keeper, struct pe_error *err)
{
    keeper->shared = memcached_create(NULL);
    if (!keeper->shared)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for libmemcached");
    memcached_behavior_set(keeper->shared, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, MEMCACHED_MS);
    memcached_behavior_set(keeper->shared, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, MEMCACHED_MS);
    memcached_behavior_set(keeper->shared, MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, MEMCACHED_RETRY_S);
    memcached_behavior_set(keeper->shared, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    /* Every balancer chooses the same server for a key, and few keys move when a server is
     * added. */
    memcached_behavior_set(keeper->shared, MEMCACHED_BEHAVIOR_KETAMA, 1);
    return 0;
}

/* The value of an argument that begins with `name`, or NULL. */
static const char *value_of(const char *argument, const char *name)
{
    size_t size = strlen(name);
    return strncmp(argument, name, size) == 0 ? argument + size : NULL;
}

static int open_shared(struct keeper *keeper, char **arguments, int count, struct pe_error *err)
{
    for (int i = 0; i < count; i++) {
        const char *redis = value_of(arguments[i], STORE_KEEPER_REDIS);
        const char *password = value_of(arguments[i], STORE_KEEPER_REDIS_PASSWORD);
        if (redis ? store_redis_add(&keeper->redis, redis, err) < 0
                  : password && store_redis_set_password(&keeper->redis, password, err) < 0)
            return -1;
        if (redis || password)
            continue;
        if (!keeper->shared && open_memcached(keeper, err) < 0)
            return -1;
        if (add_server(keeper->shared, arguments[i]) < 0)
            return pe_fail(err, PE_ERR_INVALID, "--memcached %s is not HOST:PORT", arguments[i]);
    }
    return 0;
}

static void shared_name(const struct job_key *key, char name[80])
{
    size_t used = (size_t)snprintf(name, 80, "pe:");
    for (size_t i = 0; i < sizeof key->bytes; i++)
        used += (size_t)snprintf(name + used, 80 - used, "%02x", key->bytes[i]);
}

/* 1: found. A server that fails has nothing. */
static int shared_get(struct keeper *keeper, const struct job_key *key, struct pe_buf *out,
                      struct pe_error *err)
{
    if (keeper->redis.count)
        return store_redis_get(&keeper->redis, key, out, err);
    if (!keeper->shared)
        return 0;
    char name[80];
    size_t size = 0;
    uint32_t flags = 0;
    memcached_return_t code;
    shared_name(key, name);
    pe_autofree char *value = memcached_get(keeper->shared, name, strlen(name), &size, &flags, &code);
    if (!value || size > STORE_PAYLOAD_MAX)
        return 0;
    return pe_buf_append(out, value, size, err) < 0 ? -1 : 1;
}

static unsigned shared_keep_s(const struct keeper *keeper)
{
    return keeper->age_max_s && keeper->age_max_s < SHARED_KEEP_S ? (unsigned)keeper->age_max_s
                                                                  : SHARED_KEEP_S;
}

static void shared_put(struct keeper *keeper, const struct job_key *key, const void *bytes, size_t size)
{
    char name[80];
    if (keeper->redis.count)
        store_redis_put(&keeper->redis, key, bytes, size, shared_keep_s(keeper));
    if (!keeper->shared || size > STORE_SHARED_VALUE_MAX)
        return;
    shared_name(key, name);
    memcached_return_t code =
        memcached_set(keeper->shared, name, strlen(name), bytes, size, shared_keep_s(keeper), 0);
    if (code != MEMCACHED_SUCCESS)
        pe_log(PE_LOG_DEBUG, "memcached: %s", memcached_strerror(keeper->shared, code));
}

static void shared_remove(struct keeper *keeper, const struct job_key *key)
{
    char name[80];
    if (keeper->redis.count)
        store_redis_remove(&keeper->redis, key);
    if (!keeper->shared)
        return;
    shared_name(key, name);
    memcached_return_t code = memcached_delete(keeper->shared, name, strlen(name), 0);
    if (code != MEMCACHED_SUCCESS && code != MEMCACHED_NOTFOUND)
        pe_log(PE_LOG_WARN, "memcached: a result was not deleted: %s",
               memcached_strerror(keeper->shared, code));
}

/* ---- disk ---- */

static void open_disk(struct keeper *keeper)
{
    struct pe_error err;
    uint64_t now = pe_now_us();
    if (!keeper->folder[0] || keeper->disk.env || (keeper->tried_us && now - keeper->tried_us < OPEN_US))
        return;
    keeper->tried_us = now;
    if (store_disk_open(&keeper->disk, keeper->folder, keeper->bytes_max, &err) < 0)
        pe_log(PE_LOG_ERROR, "%s", err.message);
}

/* ---- messages ---- */

static bool is_too_old(const struct keeper *keeper, const struct pe_buf *found)
{
    return job_result_is_older(job_result_stored_at(found->data, found->size), keeper->age_max_s);
}

/* Another balancer may keep results for longer. */
static int find(struct keeper *keeper, const struct job_key *key, struct pe_buf *out, struct pe_error *err)
{
    int found = keeper->disk.env ? store_disk_get(&keeper->disk, key, out, err) : 0;
    if (found < 0)
        pe_log(PE_LOG_ERROR, "%s", err->message);
    if (found > 0 && !is_too_old(keeper, out))
        return found;
    out->size = 0;
    found = shared_get(keeper, key, out, err);
    if (found > 0 && is_too_old(keeper, out))
        return 0;
    if (found > 0 && keeper->disk.env && store_disk_put(&keeper->disk, key, out->data, out->size, err) < 0)
        pe_log(PE_LOG_ERROR, "%s", err->message);
    return found;
}

static int send_answer(struct keeper *keeper, const struct store_frame *asked, struct pe_error *err)
{
    pe_autobuf struct pe_buf found = {0};
    struct store_frame frame = *asked;
    struct pe_error cause;
    frame.kind = find(keeper, &asked->key, &found, &cause) > 0 ? STORE_FOUND : STORE_MISSING;
    frame.size = frame.kind == STORE_FOUND ? (uint32_t)found.size : 0;
    if (pe_write_all(keeper->fd, &frame, sizeof frame, "the balancer", err) < 0)
        return -1;
    return frame.size ? pe_write_all(keeper->fd, found.data, found.size, "the balancer", err) : 0;
}

static void keep(struct keeper *keeper, const struct job_key *key, const struct pe_buf *bytes)
{
    struct pe_error err;
    open_disk(keeper);
    if (keeper->disk.env && store_disk_put(&keeper->disk, key, bytes->data, bytes->size, &err) < 0)
        pe_log(PE_LOG_ERROR, "%s", err.message);
    shared_put(keeper, key, bytes->data, bytes->size);
    keeper->unsynced = true;
}

static void forget(struct keeper *keeper, const struct job_key *key)
{
    struct pe_error err;
    open_disk(keeper);
    if (keeper->disk.env && store_disk_remove(&keeper->disk, key, &err) < 0)
        pe_log(PE_LOG_ERROR, "%s", err.message);
    shared_remove(keeper, key);
    keeper->unsynced = true;
}

/* Fill `bytes` from the socket. Returns 0 at the end of the stream. */
static int read_exactly(int fd, void *bytes, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t n = read(fd, (char *)bytes + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        got += (size_t)n;
    }
    return 1;
}

/* Look for old results on disk: some of them, and after the last one not again for a while. */
static void expire(struct keeper *keeper)
{
    static const struct job_key first;
    struct pe_error err;
    bool is_first = !job_key_compare(&keeper->expire_from, &first);
    if (!keeper->age_max_s || !keeper->disk.env ||
        (is_first && keeper->expired_us && pe_now_us() - keeper->expired_us < EXPIRE_US))
        return;
    if (store_disk_expire(&keeper->disk, keeper->age_max_s, EXPIRE_COUNT, &keeper->expire_from, &err) < 0) {
        keeper->expire_from = first;
        pe_log(PE_LOG_ERROR, "%s", err.message);
    }
    keeper->expired_us = pe_now_us();
    keeper->unsynced = true;
}

/* Wait for the next message. While there is nothing to do, remove old results, and sync to disk what the
 * system holds in memory. */
static void wait_for_message(struct keeper *keeper)
{
    struct pollfd poll_fd = {.fd = keeper->fd, .events = POLLIN};
    expire(keeper);
    while ((keeper->unsynced || keeper->age_max_s) && poll(&poll_fd, 1, SYNC_MS) == 0) {
        if (keeper->unsynced)
            store_disk_sync(&keeper->disk);
        keeper->unsynced = false;
        expire(keeper);
    }
}

static int serve(struct keeper *keeper, struct pe_error *err)
{
    pe_autobuf struct pe_buf payload = {0};
    struct store_frame frame;
    for (;;) {
        wait_for_message(keeper);
        if (!read_exactly(keeper->fd, &frame, sizeof frame))
            return 0;
        payload.size = 0;
        if (frame.size > STORE_PAYLOAD_MAX || pe_buf_reserve(&payload, frame.size + 1, err) < 0)
            return pe_fail(err, PE_ERR_INTERNAL, "cannot receive a message of %u bytes", frame.size);
        if (!read_exactly(keeper->fd, payload.data, frame.size))
            return 0;
        payload.size = frame.size;
        if (frame.kind == STORE_PUT)
            keep(keeper, &frame.key, &payload);
        else if (frame.kind == STORE_REMOVE)
            forget(keeper, &frame.key);
        else if (send_answer(keeper, &frame, err) < 0)
            return -1;
    }
}

int store_keeper_main(int argc, char **argv)
{
    struct pe_error err;
    struct keeper keeper = {0};
    pe_log_init("pe-lb-store");
    if (argc < 6)
        return 2;
    /* Ctrl-C is meant for the balancer. The helper exits when the balancer closes its socket. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    prctl(PR_SET_NAME, "pe-lb-store");
    keeper.fd = atoi(argv[2]);
    keeper.bytes_max = strtoull(argv[3], NULL, 10) << 20;
    keeper.folder = argv[4];
    keeper.age_max_s = strtoull(argv[5], NULL, 10);
    open_disk(&keeper);
    int failed = argc > 6 ? open_shared(&keeper, argv + 6, argc - 6, &err) : 0;
    if (!failed)
        failed = serve(&keeper, &err);
    if (failed)
        pe_log(PE_LOG_ERROR, "%s", err.message);
    store_disk_sync(&keeper.disk);
    store_disk_close(&keeper.disk);
    memcached_free(keeper.shared);
    store_redis_close(&keeper.redis);
    return failed ? 1 : 0;
}
