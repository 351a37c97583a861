/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing a server, connecting, and sending a command. Replies are parsed in store_redis_reply.c. */
#include "lb/core/store_redis.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/private_file.h"
#include "lb/core/store_redis_reply.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ANSWER_MS = 100, /* for connecting, and for the whole answer to a command */
    PASSWORD_MAX = 4096,
};

#define RETRY_US 2000000u /* a server that failed is not asked for this long */
#define DEFAULT_PORT "6379"

static uint64_t deadline(void)
{
    return pe_now_us() + ANSWER_MS * 1000ull;
}

static int fail_errno(struct pe_error *err, const char *what)
{
    return pe_fail(err, PE_ERR_LOST, "%s: %s", what, strerror(errno));
}

/* ---- servers ---- */

int store_redis_add(struct store_redis *redis, const char *where, struct pe_error *err)
{
    const bool is_unix = strncmp(where, "unix:", 5) == 0;
    if (redis->count == STORE_REDIS_SERVERS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--redis may be given at most %d times", STORE_REDIS_SERVERS_MAX);
    if (!where[0] || where[0] == ':' ||
        (is_unix && (!where[5] || strlen(where + 5) >= sizeof((struct sockaddr_un *)NULL)->sun_path)))
        return pe_fail(err, PE_ERR_INVALID, "--redis %s is not HOST:PORT or unix:PATH", where);
    redis->servers[redis->count++] = (struct redis_server){.where = where, .fd = -1};
    return 0;
}

int store_redis_set_password(struct store_redis *redis, const char *file, struct pe_error *err)
{
    if (pe_private_file_read(file, PASSWORD_MAX, &redis->password, err) < 0)
        return -1;
    const uint8_t *end =
        redis->password.size ? memchr(redis->password.data, '\n', redis->password.size) : NULL;
    if (end)
        redis->password.size = (size_t)(end - redis->password.data);
    return 0;
}

/* Every balancer chooses the same server for a key, and few keys move when a server is added: the server
 * whose name has the greatest hash together with the key (rendezvous hashing, with FNV-1a). */
static struct redis_server *choose_server(struct store_redis *redis, const struct job_key *key)
{
    struct redis_server *best = NULL;
    uint64_t best_score = 0;
    for (size_t i = 0; i < redis->count; i++) {
        uint64_t score = 14695981039346656037u;
        for (const char *at = redis->servers[i].where; *at; at++)
            score = (score ^ (uint8_t)*at) * 1099511628211u;
        for (size_t byte = 0; byte < sizeof key->bytes; byte++)
            score = (score ^ key->bytes[byte]) * 1099511628211u;
        if (!best || score > best_score) {
            best = &redis->servers[i];
            best_score = score;
        }
    }
    return best;
}

/* ---- connections ---- */

static int await(int fd, short events, uint64_t deadline_us, struct pe_error *err)
{
    const uint64_t now_us = pe_now_us();
    struct pollfd entry = {.fd = fd, .events = events};
    const int left_ms = deadline_us > now_us ? (int)((deadline_us - now_us + 999) / 1000) : 0;
    const int ready = poll(&entry, 1, left_ms);
    if (ready > 0 || (ready < 0 && errno == EINTR))
        return 0;
    return ready < 0 ? fail_errno(err, "cannot wait")
                     : pe_fail(err, PE_ERR_LOST, "no answer within %d ms", ANSWER_MS);
}

static int connect_to(const struct sockaddr *address, socklen_t size, struct pe_error *err)
{
    const int one = 1;
    int fault = 0;
    socklen_t fault_size = sizeof fault;
    pe_autoclose int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_errno(err, "cannot make a socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* fails harmlessly on UNIX sockets */
    if (connect(fd, address, size) < 0 && errno != EINPROGRESS)
        return fail_errno(err, "cannot connect");
    if (await(fd, POLLOUT, deadline(), err) < 0)
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &fault_size) < 0 || fault)
        return pe_fail(err, PE_ERR_LOST, "cannot connect: %s", strerror(fault));
    return pe_steal_fd(&fd);
}

static int connect_host(const char *where, struct pe_error *err)
{
    char host[256];
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *colon = strrchr(where, ':');
    snprintf(host, sizeof host, "%.*s", colon ? (int)(colon - where) : (int)strlen(where), where);
    int code = getaddrinfo(host, colon ? colon + 1 : DEFAULT_PORT, &hints, &found);
    if (code != 0)
        return pe_fail(err, PE_ERR_LOST, "%s", gai_strerror(code));
    int fd = -1;
    for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
        fd = connect_to(at->ai_addr, at->ai_addrlen, err);
    freeaddrinfo(found);
    return fd;
}

static int connect_path(const char *path, struct pe_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path)); /* store_redis_add has checked its length */
    return connect_to((const struct sockaddr *)&address, sizeof address, err);
}

/* ---- commands ---- */

static int send_all(int fd, const struct pe_buf *bytes, uint64_t deadline_us, struct pe_error *err)
{
    for (size_t at = 0; at < bytes->size;) {
        ssize_t n = send(fd, bytes->data + at, bytes->size - at, MSG_NOSIGNAL);
        if (n >= 0)
            at += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            return fail_errno(err, "cannot send");
        else if (await(fd, POLLOUT, deadline_us, err) < 0)
            return -1;
    }
    return 0;
}

/* Read until the reply is complete. Nothing may follow it, because no other command is under way. */
static int receive(int fd, struct pe_buf *in, struct redis_reply *reply, uint64_t deadline_us,
                   struct pe_error *err)
{
    for (;;) {
        int complete = redis_reply_parse(in->data, in->size, reply, err);
        if (complete < 0)
            return -1;
        if (complete)
            return in->size == reply->length
                       ? 0
                       : pe_fail(err, PE_ERR_MALFORMED, "there are bytes behind a reply of Redis");
        if (pe_now_us() >= deadline_us)
            return pe_fail(err, PE_ERR_LOST, "no answer within %d ms", ANSWER_MS);
        if (pe_buf_reserve(in, 16384, err) < 0)
            return -1;
        ssize_t n = recv(fd, in->data + in->size, 16384, 0);
        if (n > 0)
            in->size += (size_t)n;
        else if (n == 0)
            return pe_fail(err, PE_ERR_LOST, "it closed the connection");
        else if (errno != EAGAIN && errno != EINTR)
            return fail_errno(err, "cannot receive");
        else if (await(fd, POLLIN, deadline_us, err) < 0)
            return -1;
    }
}

/* A command is an array of bulk strings. */
static int append_argument(struct pe_buf *out, const void *bytes, size_t size, struct pe_error *err)
{
    if (pe_buf_printf(out, err, "$%zu\r\n", size) < 0 || pe_buf_append(out, bytes, size, err) < 0)
        return -1;
    return pe_buf_append_text(out, "\r\n", err);
}

static int append_text(struct pe_buf *out, const char *text, struct pe_error *err)
{
    return append_argument(out, text, strlen(text), err);
}

static int perform(int fd, const struct pe_buf *command, struct pe_buf *in, struct redis_reply *reply,
                   struct pe_error *err)
{
    const uint64_t deadline_us = deadline();
    return send_all(fd, command, deadline_us, err) < 0 ? -1 : receive(fd, in, reply, deadline_us, err);
}

static int check_reply(const struct redis_reply *reply, struct pe_error *err)
{
    if (reply->kind != REDIS_ERROR)
        return 0;
    return pe_fail(err, PE_ERR_LOST, "it answered %.*s", (int)(reply->size < 200 ? reply->size : 200),
                   (const char *)reply->bytes);
}

static int authenticate(const struct store_redis *redis, int fd, struct pe_error *err)
{
    pe_autobuf struct pe_buf command = {0}, in = {0};
    struct redis_reply reply;
    if (!redis->password.size)
        return 0;
    if (pe_buf_append_text(&command, "*2\r\n", err) < 0 || append_text(&command, "AUTH", err) < 0 ||
        append_argument(&command, redis->password.data, redis->password.size, err) < 0)
        return -1;
    return perform(fd, &command, &in, &reply, err) < 0 ? -1 : check_reply(&reply, err);
}

static int connect_server(const struct store_redis *redis, struct redis_server *server, struct pe_error *err)
{
    if (server->fd >= 0)
        return 0;
    pe_autoclose int fd = strncmp(server->where, "unix:", 5) == 0 ? connect_path(server->where + 5, err)
                                                                  : connect_host(server->where, err);
    if (fd < 0 || authenticate(redis, fd, err) < 0)
        return -1;
    server->fd = pe_steal_fd(&fd);
    return 0;
}

/* A server that is full or a replica refuses some commands and performs others, so it stays connected. What
 * it says is logged now and then. */
static int note_refusal(struct redis_server *server, const struct redis_reply *reply)
{
    struct pe_error err;
    const uint64_t now = pe_now_us();
    if (check_reply(reply, &err) == 0)
        return 0;
    if (now >= server->retry_us)
        pe_log(PE_LOG_WARN, "Redis at %s: %s", server->where, err.message);
    server->retry_us = now + RETRY_US;
    return -1;
}

/* Send a command to the server of a key. Returns 0 if it has performed it. After a failure, the connection is
 * closed: a late answer must not be taken for that to another command. */
static int ask(struct store_redis *redis, const struct job_key *key, const struct pe_buf *command,
               struct pe_buf *in, struct redis_reply *reply)
{
    struct redis_server *server = choose_server(redis, key);
    struct pe_error err;
    if (!server || (server->fd < 0 && pe_now_us() < server->retry_us))
        return -1;
    if (connect_server(redis, server, &err) == 0 && perform(server->fd, command, in, reply, &err) == 0)
        return note_refusal(server, reply);
    pe_log(PE_LOG_WARN, "Redis at %s: %s", server->where, err.message);
    pe_cleanup_close(&server->fd);
    server->fd = -1;
    server->retry_us = pe_now_us() + RETRY_US;
    return -1;
}

static int append_name(struct pe_buf *out, const struct job_key *key, struct pe_error *err)
{
    char name[3 + 2 * sizeof key->bytes + 1] = "pe:";
    for (size_t i = 0; i < sizeof key->bytes; i++)
        snprintf(name + 3 + 2 * i, 3, "%02x", key->bytes[i]);
    return append_text(out, name, err);
}

/* ---- results ---- */

int store_redis_get(struct store_redis *redis, const struct job_key *key, struct pe_buf *out,
                    struct pe_error *err)
{
    pe_autobuf struct pe_buf command = {0}, in = {.limit = REDIS_REPLY_MAX + 16384};
    struct redis_reply reply;
    if (pe_buf_append_text(&command, "*2\r\n", err) < 0 || append_text(&command, "GET", err) < 0 ||
        append_name(&command, key, err) < 0)
        return -1;
    if (ask(redis, key, &command, &in, &reply) < 0 || reply.kind != REDIS_VALUE)
        return 0;
    return pe_buf_append(out, reply.bytes, reply.size, err) < 0 ? -1 : 1;
}

void store_redis_put(struct store_redis *redis, const struct job_key *key, const void *bytes, size_t size,
                     unsigned keep_s)
{
    pe_autobuf struct pe_buf command = {0}, in = {.limit = REDIS_REPLY_MAX + 16384};
    struct redis_reply reply;
    struct pe_error err;
    char seconds[16];
    if (size > STORE_SHARED_VALUE_MAX)
        return;
    snprintf(seconds, sizeof seconds, "%u", keep_s);
    if (pe_buf_append_text(&command, "*5\r\n", &err) < 0 || append_text(&command, "SET", &err) < 0 ||
        append_name(&command, key, &err) < 0 || append_argument(&command, bytes, size, &err) < 0 ||
        append_text(&command, "EX", &err) < 0 || append_text(&command, seconds, &err) < 0) {
        pe_log(PE_LOG_ERROR, "%s", err.message);
        return;
    }
    if (ask(redis, key, &command, &in, &reply) < 0)
        pe_log(PE_LOG_DEBUG, "a result was not stored in Redis");
}

void store_redis_remove(struct store_redis *redis, const struct job_key *key)
{
    pe_autobuf struct pe_buf command = {0}, in = {.limit = REDIS_REPLY_MAX + 16384};
    struct redis_reply reply;
    struct pe_error err;
    if (pe_buf_append_text(&command, "*2\r\n", &err) < 0 || append_text(&command, "DEL", &err) < 0 ||
        append_name(&command, key, &err) < 0)
        pe_log(PE_LOG_ERROR, "%s", err.message);
    else if (ask(redis, key, &command, &in, &reply) < 0)
        pe_log(PE_LOG_WARN, "Redis: a result was not deleted");
}

void store_redis_close(struct store_redis *redis)
{
    for (size_t i = 0; i < redis->count; i++)
        pe_cleanup_close(&redis->servers[i].fd);
    pe_buf_free(&redis->password);
    redis->count = 0;
}
