/* SPDX-License-Identifier: Apache-2.0 */
/* The process that connects to the balancer and authenticates. libcurl makes the connection (TCP, TLS, UNIX
 * socket, proxies). The bytes that are passed on with TLS are in worker/balancer_relay.c. */
#include "worker/balancer_link.h"

#include "base/cleanup.h"
#include "base/fd_message.h"
#include "base/io.h"
#include "proto/slot.h"
#include "worker/balancer_relay.h"
#include "worker/token.h"
#include "worker/vmm/rights.h"
#include "worker/vmm/syscalls.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_S 10L
#define RESPONSE_HEAD_MAX 8192

/* What the link says to whoever waits for the connection. Without `failed`, the connection comes along. */
struct answer {
    uint32_t failed;
    struct pe_error error;
};

struct connection {
    CURL *curl; /* NULL: a UNIX socket that is used without libcurl */
    int socket;
};

/* ---- rights ---- */

/* The configuration of name resolution and TLS, and libraries that the C library loads for it. */
static const char *const readable[] = {"/etc", "/usr", "/lib", "/lib64", "/run", "/dev", NULL};

/* Sockets for the balancer and its name, and libcurl's thread that resolves it. */
static const struct syscall_rule link_rules[] = {SYSCALL_REFUSE(execve, EPERM),
                                                 SYSCALL_REFUSE(tgkill, EPERM),
                                                 SYSCALL_ALLOW_IF(ioctl, SYSCALL_INT(1, FIONREAD)),
                                                 SYSCALL_ALLOW_IF(ioctl, SYSCALL_INT(1, FIONBIO)),
                                                 SYSCALL_REFUSE(ioctl, ENOTTY),
                                                 SYSCALL_ALLOW_IF(socket, SYSCALL_INT(0, AF_INET)),
                                                 SYSCALL_ALLOW_IF(socket, SYSCALL_INT(0, AF_INET6)),
                                                 SYSCALL_ALLOW_IF(socket, SYSCALL_INT(0, AF_UNIX)),
                                                 SYSCALL_ALLOW_IF(socket, SYSCALL_INT(0, AF_NETLINK)),
                                                 SYSCALL_REFUSE(socket, EAFNOSUPPORT),
                                                 SYSCALL_ALLOW_IF(socketpair, SYSCALL_INT(0, AF_UNIX)),
                                                 SYSCALL_ALLOW(bind),
                                                 SYSCALL_ALLOW(connect),
                                                 SYSCALL_ALLOW(sendto),
                                                 SYSCALL_ALLOW(recvfrom),
                                                 SYSCALL_ALLOW(sendmsg),
                                                 SYSCALL_ALLOW(recvmsg),
                                                 SYSCALL_ALLOW(sendmmsg),
                                                 SYSCALL_ALLOW(recvmmsg),
                                                 SYSCALL_ALLOW(shutdown),
                                                 SYSCALL_ALLOW(getsockname),
                                                 SYSCALL_ALLOW(getpeername),
                                                 SYSCALL_ALLOW(getsockopt),
                                                 SYSCALL_ALLOW(setsockopt),
                                                 SYSCALL_ALLOW(pselect6),
#if defined(__x86_64__)
                                                 SYSCALL_ALLOW(select),
#endif
                                                 SYSCALLS_THREADS,
                                                 SYSCALL_END};

static const struct syscall_list syscalls_link = {.parts = {link_rules, syscalls_memory, syscalls_common},
                                                  .otherwise = EPERM};

static int drop_rights(const struct worker_config *config, pid_t parent, struct pe_error *err)
{
    const struct rights rights = {.uid = config->link_uid,
                                  .gid = (gid_t)config->link_uid,
                                  .files = {.readable = readable, .folder = -1, .connects = true},
                                  .syscalls = &syscalls_link};
    return rights_drop(&rights, parent, "the link to the balancer", err);
}

/* ---- connecting ---- */

/* The path of a UNIX socket; NULL if the server is another one. */
static const char *unix_path(const char *server)
{
    return strncmp(server, "unix:", 5) == 0 ? server + 5 : NULL;
}

/* Only the user of the worker may open the path, so this comes before its rights are given up. */
static int connect_unix(const char *server, struct pe_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = unix_path(server);
    if (strlen(path) >= sizeof address.sun_path)
        return pe_fail(err, PE_ERR_INVALID, "the path of the balancer's socket %s is too long", path);
    memcpy(address.sun_path, path, strlen(path));
    pe_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return pe_steal_fd(&fd);
    pe_fail_errno(err, "cannot connect to the balancer at %s", server);
    err->kind = PE_ERR_LOST;
    return -1;
}

static int connect_curl(struct connection *connection, const char *server, struct pe_error *err)
{
    connection->curl = curl_easy_init();
    if (!connection->curl)
        return pe_fail(err, PE_ERR_INTERNAL, "libcurl is out of memory");
    curl_easy_setopt(connection->curl, CURLOPT_URL, server);
    curl_easy_setopt(connection->curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(connection->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(connection->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(connection->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    CURLcode code = curl_easy_perform(connection->curl);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(connection->curl, CURLINFO_ACTIVESOCKET, &connection->socket);
    if (code != CURLE_OK)
        return pe_fail(err, PE_ERR_LOST, "cannot connect to the balancer at %s: %s", server,
                       curl_easy_strerror(code));
    return 0;
}

/* ---- the upgrade ---- */

/* Both return CURLE_AGAIN if they would have to wait. */
static CURLcode receive_byte(const struct connection *connection, char *byte, size_t *got)
{
    if (connection->curl)
        return curl_easy_recv(connection->curl, byte, 1, got);
    ssize_t n = recv(connection->socket, byte, 1, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CURLE_AGAIN : CURLE_RECV_ERROR;
    *got = (size_t)n;
    return CURLE_OK;
}

static CURLcode send_bytes(const struct connection *connection, const void *bytes, size_t size, size_t *sent)
{
    if (connection->curl)
        return curl_easy_send(connection->curl, bytes, size, sent);
    ssize_t n = send(connection->socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CURLE_AGAIN : CURLE_SEND_ERROR;
    *sent = (size_t)n;
    return CURLE_OK;
}

static int wait_socket(const struct connection *connection, short events, uint64_t deadline_us,
                       struct pe_error *err)
{
    uint64_t now = pe_now_us();
    struct pollfd fd = {.fd = connection->socket, .events = events};
    if (now >= deadline_us || poll(&fd, 1, (int)((deadline_us - now) / 1000) + 1) <= 0)
        return pe_fail(err, PE_ERR_LOST, "the balancer does not answer the upgrade");
    return 0;
}

static int send_request(const struct connection *connection, const char *request, size_t size,
                        uint64_t deadline_us, struct pe_error *err)
{
    while (size) {
        size_t sent = 0;
        CURLcode code = send_bytes(connection, request, size, &sent);
        if (code != CURLE_OK && code != CURLE_AGAIN)
            return pe_fail(err, PE_ERR_LOST, "cannot send the upgrade request: %s", curl_easy_strerror(code));
        request += sent;
        size -= sent;
        if (size && wait_socket(connection, POLLOUT, deadline_us, err) < 0)
            return -1;
    }
    return 0;
}

/* Read the head of the response, and not one byte of the frames that may follow: they are read by whoever
 * gets the connection. */
static int read_response(const struct connection *connection, char *head, size_t head_size,
                         uint64_t deadline_us, struct pe_error *err)
{
    size_t used = 0;
    while (used < head_size - 1) {
        size_t got = 0;
        CURLcode code = receive_byte(connection, head + used, &got);
        if (code == CURLE_AGAIN) {
            if (wait_socket(connection, POLLIN, deadline_us, err) < 0)
                return -1;
            continue;
        }
        if (code != CURLE_OK || got == 0)
            return pe_fail(err, PE_ERR_LOST, "the balancer closed the connection during the upgrade");
        head[++used] = '\0';
        if (used >= 4 && !strcmp(head + used - 4, "\r\n\r\n"))
            return 0;
    }
    return pe_fail(err, PE_ERR_MALFORMED, "the response of the balancer to the upgrade is too long");
}

/* Compute Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2). */
static void accept_for_key(const char *key, char accept[32])
{
    char text[64];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int n = snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    EVP_Digest(text, (size_t)n, digest, &size, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)accept, digest, (int)size);
}

static int check_response(const char *head, const char *key, struct pe_error *err)
{
    char accept[32];
    accept_for_key(key, accept);
    if (!strncmp(head, "HTTP/1.1 101", 12) && strstr(head, accept))
        return 0;
    if (!strncmp(head, "HTTP/1.1 401", 12))
        return pe_fail(err, PE_ERR_INVALID, "the balancer refuses the token; see --token-file");
    return pe_fail(err, PE_ERR_LOST, "the balancer refuses the upgrade: %.*s", (int)strcspn(head, "\r\n"),
                   head);
}

static int upgrade(const struct connection *connection, const char *path, const char *token,
                   struct pe_error *err)
{
    uint8_t nonce[16];
    char key[32], head[RESPONSE_HEAD_MAX];
    pe_autobuf struct pe_buf request = {0};
    pe_random(nonce, sizeof nonce);
    EVP_EncodeBlock((unsigned char *)key, nonce, sizeof nonce);
    if (pe_buf_printf(&request, err,
                      "GET %s HTTP/1.1\r\nHost: balancer\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: "
                      "%s\r\n%s%s%s\r\n",
                      path, key, PE_SLOT_SUBPROTOCOL, token[0] ? "Authorization: Bearer " : "", token,
                      token[0] ? "\r\n" : "") < 0)
        return -1;
    uint64_t deadline_us = pe_now_us() + CONNECT_TIMEOUT_S * 1000000;
    if (send_request(connection, (const char *)request.data, request.size, deadline_us, err) < 0 ||
        read_response(connection, head, sizeof head, deadline_us, err) < 0)
        return -1;
    return check_response(head, key, err);
}

/* ---- the process ---- */

bool balancer_link_stays(const struct worker_config *config)
{
    return strncmp(config->server, "https:", 6) == 0;
}

static int connect_and_upgrade(const struct worker_config *config, const char *path, const char *token,
                               pid_t parent, struct connection *connection, struct pe_error *err)
{
    const bool is_unix = unix_path(config->server) != NULL;
    if (is_unix && (connection->socket = connect_unix(config->server, err)) < 0)
        return -1;
    if (drop_rights(config, parent, err) < 0)
        return -1;
    if (!is_unix && connect_curl(connection, config->server, err) < 0)
        return -1;
    return upgrade(connection, path, token, err);
}

static int send_answer(int fd, const struct answer *answer, const int *connection)
{
    return pe_fd_message_send(fd, answer, sizeof *answer, connection, connection ? 1 : 0) ==
                   (ssize_t)sizeof *answer
               ? 0
               : -1;
}

/* Hand over one end of a socket pair, and pass bytes between the other one and the balancer. */
static int relay(const struct connection *connection, int answer)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
        send_answer(answer, &(struct answer){.failed = 0}, &pair[0]) < 0)
        return -1;
    close(pair[0]);
    close(answer);
    balancer_relay(connection->curl, connection->socket, pair[1]);
    return 0;
}

static int run(const struct worker_config *config, const char *path, int answer, pid_t parent)
{
    char token[TOKEN_SIZE];
    struct connection connection = {.socket = -1};
    struct pe_error err;
    prctl(PR_SET_NAME, "pe-link");
    if (token_load(config->token_fd, token, &err) < 0 || rights_close_others(&answer, &err) < 0 ||
        connect_and_upgrade(config, path, token, parent, &connection, &err) < 0)
        return send_answer(answer, &(struct answer){.failed = 1, .error = err}, NULL);
    if (balancer_link_stays(config))
        return relay(&connection, answer);
    return send_answer(answer, &(struct answer){.failed = 0}, &connection.socket);
}

/* ---- the parent ---- */

int balancer_link_start(const struct worker_config *config, const char *path, struct balancer_link *link,
                        struct pe_error *err)
{
    int pair[2];
    pid_t parent = getpid();
    *link = BALANCER_LINK_NONE;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return pe_fail_errno(err, "cannot make a socket for the link to the balancer");
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        _exit(run(config, path, pair[1], parent) < 0 ? 1 : 0);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return pe_fail_errno(err, "cannot fork the link to the balancer");
    }
    *link = (struct balancer_link){.pid = pid, .fd = pair[0]};
    return 0;
}

int balancer_link_receive(int fd, struct pe_error *err)
{
    struct answer answer;
    int connection = -1;
    size_t count = 0;
    ssize_t n = -1;
    do
        n = pe_fd_message_receive(fd, &answer, sizeof answer, &connection, 1, &count);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof answer && !answer.failed && count == 1)
        return connection;
    if (count == 1)
        close(connection);
    if (n == (ssize_t)sizeof answer && answer.failed) {
        *err = answer.error;
        return -1;
    }
    return pe_fail(err, PE_ERR_LOST, "the process that connects to the balancer has ended");
}

void balancer_link_reap(struct balancer_link *link)
{
    if (link->pid > 0 && waitpid(link->pid, NULL, WNOHANG) == link->pid)
        *link = BALANCER_LINK_NONE;
}

void balancer_link_end(struct balancer_link *link)
{
    if (link->pid > 0) {
        kill(link->pid, SIGKILL);
        while (waitpid(link->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    *link = BALANCER_LINK_NONE;
}
