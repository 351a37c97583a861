/* SPDX-License-Identifier: Apache-2.0 */
/* The process that connects to the balancer and authenticates. libcurl makes the connection (TCP, TLS, UNIX
 * socket, proxies). The bytes that are passed on with TLS are in worker/balancer_relay.c. */
#include "worker/balancer_link.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/fd_message.h"
#include "base/io.h"
#include "proto/slot.h"
#include "worker/balancer_relay.h"
#include "worker/balancer_upgrade.h"
#include "worker/token.h"
#include "worker/vmm/rights.h"
#include "worker/vmm/syscalls.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_S 10L

/* What the link says to the process that waits for the connection. Without `failed`, the connection comes
 * along. */
struct answer {
    uint32_t failed, stage;
    int64_t date;
    struct pe_error error;
};

/* Bytes between or behind the members would be what was on the stack of the process that has the token. */
_Static_assert(sizeof(struct answer) == 16 + sizeof(struct pe_error), "an answer has no padding");

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

int balancer_link_drop_rights(const struct worker_config *config, pid_t parent, const char *what,
                              struct pe_error *err)
{
    const struct rights rights = {.uid = config->users.link,
                                  .gid = (gid_t)config->users.link,
                                  .files = {.readable = readable, .folder = -1, .connects = true},
                                  .syscalls = &syscalls_link};
    return rights_drop(&rights, parent, what, err);
}

/* ---- connecting ---- */

static const struct balancer_place *place_of(const struct worker_config *config)
{
    return &config->balancers.items[config->balancer];
}

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

/* How far libcurl came, from its error. */
static enum balancer_stage stage_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return BALANCER_SECURE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return BALANCER_UNKNOWN;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
        return BALANCER_RESOLVED;
    default:
        return BALANCER_REACHED;
    }
}

static void free_list(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

/* Of a host with several addresses, this balancer is behind one of them. Its certificate is for the name. */
static int choose_address(const struct pe_connection *connection, const char *address,
                          struct curl_slist **targets, struct pe_error *err)
{
    char text[BALANCER_ADDRESS_SIZE + 8];
    if (!address[0])
        return 0;
    snprintf(text, sizeof text, strchr(address, ':') ? "::[%s]:" : "::%s:", address);
    *targets = curl_slist_append(NULL, text);
    if (*targets && curl_easy_setopt(connection->curl, CURLOPT_CONNECT_TO, *targets) == CURLE_OK)
        return 0;
    return pe_fail(err, PE_ERR_INTERNAL, "out of memory for libcurl");
}

static int connect_curl(struct pe_connection *connection, const struct worker_config *config,
                        struct balancer_view *view, struct pe_error *err)
{
    static char why[CURL_ERROR_SIZE]; /* libcurl keeps a pointer to it as long as the connection lives */
    const struct balancer_place *place = place_of(config);
    const char *server = place->url;
    char name[300];
    __attribute__((cleanup(free_list))) struct curl_slist *targets = NULL;
    connection->curl = curl_easy_init();
    if (!connection->curl)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for libcurl");
    if (choose_address(connection, place->address, &targets, err) < 0)
        return -1;
    curl_easy_setopt(connection->curl, CURLOPT_URL, server);
    curl_easy_setopt(connection->curl, CURLOPT_CONNECT_ONLY, 1L);
    /* Otherwise a server with TLS may choose HTTP/2, which has no upgrades. */
    curl_easy_setopt(connection->curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(connection->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(connection->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(connection->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    pe_route_apply(&config->route, connection->curl, why);
    snprintf(name, sizeof name, "the balancer at %.250s", server);
    CURLcode code = curl_easy_perform(connection->curl);
    curl_easy_setopt(connection->curl, CURLOPT_CONNECT_TO, NULL); /* the list ends here */
    if (code == CURLE_OK)
        code = curl_easy_getinfo(connection->curl, CURLINFO_ACTIVESOCKET, &connection->socket);
    view->stage = stage_of(code);
    if (code == CURLE_OK)
        return 0;
    pe_route_fail(connection->curl, code, why, name, err);
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        err->kind = PE_ERR_INVALID; /* the next attempt will not fare better soon */
    return -1;
}

/* ---- the process ---- */

bool balancer_link_stays(const struct worker_config *config)
{
    return strncmp(place_of(config)->url, "https:", 6) == 0;
}

static int connect_and_upgrade(const struct worker_config *config, const char *path, const char *token,
                               pid_t parent, struct pe_connection *connection, struct balancer_view *view,
                               struct pe_error *err)
{
    const struct balancer_place *place = place_of(config);
    const bool is_unix = unix_path(place->url) != NULL;
    if (is_unix && (connection->socket = connect_unix(place->url, err)) < 0)
        return -1;
    if (balancer_link_drop_rights(config, parent, "the link to the balancer", err) < 0)
        return -1;
    if (!is_unix && connect_curl(connection, config, view, err) < 0)
        return -1;
    view->stage = BALANCER_SECURE;
    const int failed = balancer_upgrade(connection, path, token, &view->date, err);
    if (!failed || view->date)
        view->stage = failed ? BALANCER_ANSWERED : BALANCER_ADMITTED;
    return failed;
}

static int send_answer(int fd, const struct answer *answer, const int *connection)
{
    return pe_fd_message_send(fd, answer, sizeof *answer, connection, connection ? 1 : 0) ==
                   (ssize_t)sizeof *answer
               ? 0
               : -1;
}

/* Hand over one end of a socket pair, and pass bytes between the other one and the balancer. */
static int relay(const struct pe_connection *connection, const struct balancer_view *view, int answer)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
        send_answer(answer, &(struct answer){.stage = view->stage, .date = view->date}, &pair[0]) < 0)
        return -1;
    close(pair[0]);
    close(answer);
    balancer_relay(connection, pair[1]);
    return 0;
}

static int run(const struct worker_config *config, const char *path, int answer, pid_t parent)
{
    char token[TOKEN_SIZE];
    struct pe_connection connection = {.socket = -1};
    struct balancer_view view = {.stage = BALANCER_UNKNOWN};
    struct pe_error err;
    prctl(PR_SET_NAME, "pe-link");
    if (token_load(config->token_fd, token, &err) < 0 || rights_close_others(&answer, &err) < 0 ||
        connect_and_upgrade(config, path, token, parent, &connection, &view, &err) < 0) {
        const struct answer failure = {
            .failed = 1, .stage = view.stage, .date = view.date, .error = pe_error_copy(&err)};
        return send_answer(answer, &failure, NULL);
    }
    if (balancer_link_stays(config))
        return relay(&connection, &view, answer);
    return send_answer(answer, &(struct answer){.stage = view.stage, .date = view.date}, &connection.socket);
}

/* ---- the parent ---- */

int balancer_link_start(const struct worker_config *config, const char *path, struct balancer_link *link,
                        struct pe_error *err)
{
    int fd = -1;
    const pid_t parent = getpid();
    *link = BALANCER_LINK_NONE;
    const pid_t pid = pe_child_fork("the link to the balancer", &fd, err);
    if (pid < 0)
        return -1;
    if (pid == 0)
        _exit(run(config, path, fd, parent) < 0 ? 1 : 0);
    *link = (struct balancer_link){.pid = pid, .fd = fd};
    return 0;
}

static int await_answer(int fd, int wait_ms, struct pe_error *err)
{
    const uint64_t deadline_us = pe_now_us() + (uint64_t)wait_ms * 1000;
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    for (;;) {
        const uint64_t now_us = pe_now_us();
        const int left_ms = deadline_us > now_us ? (int)((deadline_us - now_us + 999) / 1000) : 0;
        const int ready = poll(&answer, 1, left_ms);
        if (ready > 0)
            return 0;
        if (ready == 0)
            return pe_fail(err, PE_ERR_LOST, "the process that connects to the balancer does not answer");
        if (errno != EINTR)
            return pe_fail_errno(err, "cannot wait for the process that connects to the balancer");
    }
}

/* Receive the answer of a link. `view` stays as it was if there is none. */
static int receive(int fd, int wait_ms, struct balancer_view *view, struct pe_error *err)
{
    struct answer answer;
    int connection = -1;
    size_t count = 0;
    ssize_t n = -1;
    if (await_answer(fd, wait_ms, err) < 0)
        return -1;
    do
        n = pe_fd_message_receive(fd, &answer, sizeof answer, &connection, 1, &count);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof answer)
        *view = (struct balancer_view){.stage = answer.stage, .date = answer.date};
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

int balancer_link_receive(int fd, int wait_ms, struct pe_error *err)
{
    struct balancer_view ignored;
    return receive(fd, wait_ms, &ignored, err);
}

int balancer_link_look(int fd, struct balancer_view *view, struct pe_error *err)
{
    *view = (struct balancer_view){.stage = BALANCER_UNKNOWN};
    pe_autoclose int connection = receive(fd, BALANCER_LINK_MS, view, err);
    return connection < 0 ? -1 : 0;
}

void balancer_link_reap(struct balancer_link *link)
{
    if (link->pid > 0 && waitpid(link->pid, NULL, WNOHANG) == link->pid)
        *link = BALANCER_LINK_NONE;
}

void balancer_link_end(struct balancer_link *link)
{
    if (link->pid > 0)
        pe_child_kill(link->pid);
    *link = BALANCER_LINK_NONE;
}
