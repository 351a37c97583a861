/* SPDX-License-Identifier: Apache-2.0 */
/* Opening listeners and accepting connections on them. */
#include "lb/edge/listener.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

/* Connections accepted per iteration of the loop, so that a flood does not starve the jobs. */
enum { PER_ITERATION = 32, PAUSE_MS = 200 };

struct listener {
    struct pe_list in_open;
    struct listeners *listeners;
    h2o_socket_t *sock;
    bool tls;
    bool inherited;          /* from systemd, which has it open as well */
    struct sockaddr_un file; /* of a UNIX listener: sun_path is removed in the end */
    dev_t device;            /* identity of that file: another one is not removed */
    ino_t inode;
};

/* ---- accepting ---- */

static void on_accept(h2o_socket_t *sock, const char *error);

static void on_pause_over(h2o_timeout_entry_t *entry)
{
    struct listeners *listeners = H2O_STRUCT_FROM_MEMBER(struct listeners, pause_entry, entry);
    pe_list_for_each(node, &listeners->open)
    {
        h2o_socket_read_start(pe_list_entry(node, struct listener, in_open)->sock, on_accept);
    }
}

/* Accept nothing for a moment: there are no file descriptors left. */
static void pause_accepting(struct listeners *listeners)
{
    if (h2o_timeout_is_linked(&listeners->pause_entry))
        return;
    pe_list_for_each(node, &listeners->open)
    {
        h2o_socket_read_stop(pe_list_entry(node, struct listener, in_open)->sock);
    }
    h2o_timeout_link(listeners->plain.ctx->loop, &listeners->pause, &listeners->pause_entry);
}

static void on_accept(h2o_socket_t *sock, const char *error)
{
    struct listener *listener = sock->data;
    struct listeners *listeners = listener->listeners;
    for (int i = 0; i < PER_ITERATION && !error; i++) {
        h2o_socket_t *client = h2o_evloop_socket_accept(sock);
        if (!client && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            pe_log(PE_LOG_WARN, "cannot accept a connection: %s", strerror(errno));
            pause_accepting(listeners); /* otherwise the loop would spin on the readable listener */
        }
        if (!client)
            return;
        if (connection_begin(listeners->connections, client, listener->tls))
            h2o_accept(listener->tls ? &listeners->tls : &listeners->plain, client);
    }
}

void listeners_init(struct listeners *listeners, h2o_context_t *ctx, h2o_hostconf_t **hosts,
                    struct connections *connections)
{
    *listeners = (struct listeners){.connections = connections,
                                    .plain = {.ctx = ctx, .hosts = hosts},
                                    .tls = {.ctx = ctx, .hosts = hosts},
                                    .pause_entry = {.cb = on_pause_over}};
    pe_list_init(&listeners->open);
    h2o_timeout_init(ctx->loop, &listeners->pause, PAUSE_MS);
}

void listeners_set_tls(struct listeners *listeners, SSL_CTX *context)
{
    SSL_CTX_free(listeners->tls.ssl_ctx); /* connections have references of their own */
    listeners->tls.ssl_ctx = context;
}

static int add_listener(struct listeners *listeners, int *fd, const struct listener *like, const char *where,
                        struct pe_error *err)
{
    if (listen(*fd, SOMAXCONN) < 0)
        return pe_fail_errno(err, "cannot listen on %s", where);
    struct listener *listener = malloc(sizeof *listener);
    if (!listener)
        return pe_fail_errno(err, "cannot listen on %s", where);
    *listener = *like;
    listener->listeners = listeners;
    listener->sock =
        h2o_evloop_socket_create(listeners->plain.ctx->loop, pe_steal_fd(fd), H2O_SOCKET_FLAG_DONT_READ);
    listener->sock->data = listener;
    h2o_socket_read_start(listener->sock, on_accept);
    pe_list_append(&listeners->open, &listener->in_open);
    pe_log(PE_LOG_INFO, "listening on %s", where);
    return 0;
}

/* ---- UNIX ---- */

/* Remove the socket file of a process that is dead: nobody listens on it. */
static int clear_stale(const struct sockaddr_un *address, struct pe_error *err)
{
    struct stat st;
    if (lstat(address->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : pe_fail_errno(err, "cannot look at %s", address->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return pe_fail(err, PE_ERR_INVALID, "%s exists and is not a socket", address->sun_path);
    pe_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return pe_fail_errno(err, "cannot make a socket");
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return pe_fail(err, PE_ERR_BUSY, "another process listens on %s", address->sun_path);
    if (errno != ECONNREFUSED)
        return pe_fail_errno(err, "cannot find out whether %s is in use", address->sun_path);
    if (unlink(address->sun_path) < 0)
        return pe_fail_errno(err, "cannot remove the stale socket %s", address->sun_path);
    return 0;
}

static int open_unix(struct listeners *listeners, const char *where, const char *path, bool tls,
                     struct pe_error *err)
{
    struct listener listener = {.tls = tls, .file = {.sun_family = AF_UNIX}};
    if (!*path || strlen(path) >= sizeof listener.file.sun_path)
        return pe_fail(err, PE_ERR_INVALID, "--listen %s: the path of a socket has 1 to %zu bytes", where,
                       sizeof listener.file.sun_path - 1);
    strcpy(listener.file.sun_path, path);
    if (clear_stale(&listener.file, err) < 0)
        return -1;
    pe_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat st;
    if (fd < 0 || bind(fd, (const struct sockaddr *)&listener.file, sizeof listener.file) < 0 ||
        stat(path, &st) < 0)
        return pe_fail_errno(err, "cannot listen on %s", where);
    listener.device = st.st_dev;
    listener.inode = st.st_ino;
    return add_listener(listeners, &fd, &listener, where, err);
}

/* ---- TCP ---- */

static int bind_address(const struct addrinfo *address, const char *where, struct pe_error *err)
{
    int on = 1;
    pe_autoclose int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 ||
        (address->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
        bind(fd, address->ai_addr, address->ai_addrlen) < 0)
        return pe_fail_errno(err, "cannot listen on %s", where);
    return pe_steal_fd(&fd);
}

/* Split "HOST:PORT" or "[HOST]:PORT" in place; an empty host or "*" is every address. */
static int split_host_port(char *text, char **host, char **port)
{
    char *colon = strrchr(text, ':');
    if (!colon || !colon[1])
        return -1;
    *colon = '\0';
    *port = colon + 1;
    *host = text;
    size_t length = strlen(text);
    if (text[0] == '[' && length > 2 && text[length - 1] == ']') {
        text[length - 1] = '\0';
        *host = text + 1;
    } else if (strchr(text, ':')) {
        return -1;
    }
    if (!**host || !strcmp(*host, "*"))
        *host = NULL;
    return 0;
}

static void free_addresses(struct addrinfo **addresses)
{
    if (*addresses)
        freeaddrinfo(*addresses);
}

static int find_addresses(const char *where, struct addrinfo **addresses, struct pe_error *err)
{
    pe_autofree char *text = strdup(where);
    char *host = NULL, *port = NULL;
    if (!text || split_host_port(text, &host, &port) < 0)
        return pe_fail(err, PE_ERR_INVALID, "--listen expects HOST:PORT or unix:PATH, not '%s'", where);
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    const int failed = getaddrinfo(host, port, &hints, addresses);
    return failed ? pe_fail(err, PE_ERR_INVALID, "--listen %s: %s", where, gai_strerror(failed)) : 0;
}

static int open_tcp(struct listeners *listeners, const char *where, bool tls, struct pe_error *err)
{
    __attribute__((cleanup(free_addresses))) struct addrinfo *addresses = NULL;
    if (find_addresses(where, &addresses, err) < 0)
        return -1;
    for (const struct addrinfo *address = addresses; address; address = address->ai_next) {
        pe_autoclose int fd = bind_address(address, where, err);
        struct listener listener = {.tls = tls};
        if (fd < 0 || add_listener(listeners, &fd, &listener, where, err) < 0)
            return -1;
    }
    return 0;
}

int listeners_open(struct listeners *listeners, const char *where, bool tls, struct pe_error *err)
{
    return !strncmp(where, "unix:", 5) ? open_unix(listeners, where, where + 5, tls, err)
                                       : open_tcp(listeners, where, tls, err);
}

/* ---- trying ---- */

static int try_unix(const char *path, struct pe_error *err)
{
    char folder[sizeof((struct sockaddr_un *)0)->sun_path];
    if (!*path || strlen(path) >= sizeof folder)
        return pe_fail(err, PE_ERR_INVALID, "the path of a socket has 1 to %zu bytes", sizeof folder - 1);
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    const char *name = slash ? folder : ".";
    return access(*name ? name : "/", W_OK | X_OK) == 0
               ? 0
               : pe_fail_errno(err, "cannot make a socket in %s", *name ? name : "/");
}

int listeners_try(const char *where, struct pe_error *err)
{
    __attribute__((cleanup(free_addresses))) struct addrinfo *addresses = NULL;
    if (!strncmp(where, "unix:", 5))
        return try_unix(where + 5, err);
    if (find_addresses(where, &addresses, err) < 0)
        return -1;
    for (const struct addrinfo *address = addresses; address; address = address->ai_next) {
        pe_autoclose int fd = bind_address(address, where, err);
        if (fd < 0)
            return -1;
    }
    return 0;
}

/* ---- systemd ---- */

static void free_names(char ***names)
{
    for (char **name = *names; name && *name; name++)
        free(*name);
    free(*names);
}

int listeners_adopt(struct listeners *listeners, struct pe_error *err)
{
    __attribute__((cleanup(free_names))) char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names);
    if (count < 0)
        return pe_fail(err, PE_ERR_INVALID, "cannot use the sockets from systemd: %s", strerror(-count));
    for (int i = 0; i < count; i++) {
        struct listener listener = {.tls = !strcmp(names[i], "tls"), .inherited = true};
        pe_autoclose int fd = SD_LISTEN_FDS_START + i;
        char where[64];
        snprintf(where, sizeof where, "systemd's socket '%.32s'", names[i]);
        if (listener.tls && !listeners->tls.ssl_ctx)
            return pe_fail(err, PE_ERR_INVALID, "%s needs --tls-cert and --tls-key", where);
        if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
            return pe_fail_errno(err, "cannot make %s non-blocking", where);
        if (add_listener(listeners, &fd, &listener, where, err) < 0)
            return -1;
    }
    return count;
}

/* ---- the end ---- */

static void close_listener(struct listener *listener)
{
    struct stat st;
    if (listener->file.sun_path[0] && lstat(listener->file.sun_path, &st) == 0 &&
        st.st_dev == listener->device && st.st_ino == listener->inode)
        unlink(listener->file.sun_path);
    h2o_socket_close(listener->sock);
    pe_list_remove(&listener->in_open);
    free(listener);
}

/* Sockets of one port are numbered in the order in which they were bound (socket(7),
 * SO_REUSEPORT). The process that is to be replaced has number 0, and its successor number 1. If
 * there is no number 1, the kernel ignores the filter. */
void listeners_yield(struct listeners *listeners)
{
    static struct sock_filter choose_second = BPF_STMT(BPF_RET | BPF_K, 1);
    static const struct sock_fprog program = {.len = 1, .filter = &choose_second};
    for (struct pe_list *node = listeners->open.next, *next; node != &listeners->open; node = next) {
        struct listener *listener = pe_list_entry(node, struct listener, in_open);
        int fd = h2o_socket_get_fd(listener->sock);
        next = node->next;
        if (listener->inherited)
            close_listener(listener);
        else if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) < 0)
            continue; /* a UNIX socket, which shares no port */
    }
}

void listeners_close(struct listeners *listeners)
{
    h2o_timeout_unlink(&listeners->pause_entry);
    while (listeners->open.next != &listeners->open)
        close_listener(pe_list_entry(listeners->open.next, struct listener, in_open));
}
