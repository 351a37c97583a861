/* Setting libh2o up, the routes, the loop and its end. */
#include "lb/server.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "lb/answer.h"
#include "lb/api_info.h"
#include "lb/control_link.h"
#include "lb/listener.h"
#include "lb/problems.h"
#include "lb/run.h"
#include "lb/slot_link.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

enum {
    REQUEST_MS = 120000, /* a request, its body included, and an idle connection */
    STALL_MS = 60000,
    LINGER_MS = 10000,
    DRAIN_MS = 60000,
    PAUSE_MS = 200,
    TOKEN_MAX = 4096,  /* bytes */
    FILES_MAX = 65536, /* file descriptors wanted, if the hard limit allows */
    FILES_OWN = 64,    /* kept free of connections */
};

/* ---- routes ---- */

static const struct route {
    const char *method;
    const char *path; /* one that ends in '/' stands for everything below it, "/" excepted */
    void (*handle)(struct server *server, h2o_req_t *req);
} routes[] = {
    {"POST", "/v1/run", run_accept},
    {"GET", "/v1/images", api_images},
    {"GET", "/healthz", api_health},
    {"GET", "/problems/", api_problem},
    {"GET", PE_SLOT_PATH, slot_link_accept},
    {"GET", PE_CONTROL_PATH, control_link_accept},
    {"GET", "/", api_about},
};

static bool path_fits(const struct route *route, h2o_iovec_t path)
{
    size_t size = strlen(route->path);
    bool below = size > 1 && route->path[size - 1] == '/' && path.len > size;
    return (below || path.len == size) && !memcmp(path.base, route->path, size);
}

static bool method_fits(const struct route *route, h2o_iovec_t method)
{
    return h2o_memis(method.base, method.len, route->method, strlen(route->method)) ||
           (!strcmp(route->method, "GET") && h2o_memis(method.base, method.len, H2O_STRLIT("HEAD")));
}

static void refuse_method(h2o_req_t *req, const struct route *route)
{
    const char *allowed = strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method;
    struct pe_problem problem = problem_make("method-not-allowed", "this path takes %s", allowed);
    answer_header(req, "allow", allowed);
    answer_problem(req, &problem);
}

struct router {
    h2o_handler_t super;
    struct server *server;
};

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    struct server *server = ((struct router *)self)->server;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!path_fits(&routes[i], req->path_normalized))
            continue;
        if (method_fits(&routes[i], req->method))
            routes[i].handle(server, req);
        else
            refuse_method(req, &routes[i]);
        return 0;
    }
    struct pe_problem problem = problem_make("not-found", "there is nothing at this path");
    answer_problem(req, &problem);
    return 0;
}

/* ---- setup ---- */

static void configure(struct server *server)
{
    h2o_globalconf_t *config = &server->config;
    h2o_config_init(config);
    config->server_name = h2o_iovec_init(H2O_STRLIT("program-explorer"));
    config->http1.req_timeout = REQUEST_MS;
    /* Neither by Upgrade: h2c nor by prior knowledge: this version's HTTP/2 predates the fixes for rapid
     * reset (CVE-2023-44487). */
    config->http1.upgrade_to_http2 = 0;
    config->max_request_entity_size = PE_BODY_BYTES_MAX;
    h2o_hostconf_t *host = h2o_config_register_host(config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct router *router = (struct router *)h2o_create_handler(path, sizeof *router);
    router->super.on_req = on_request;
    router->server = server;
    answer_register_filter(path);
    answer_register_filter(&host->fallback_path); /* of requests that are refused before they have a path */
}

static void init_timeouts(struct server *server, uint64_t queue_wait_ms)
{
    h2o_loop_t *loop = server->ctx.loop;
    h2o_timeout_init(loop, &server->queue_wait, queue_wait_ms);
    h2o_timeout_init(loop, &server->stall, STALL_MS);
    h2o_timeout_init(loop, &server->tick, PE_SLOT_PING_MS);
    h2o_timeout_init(loop, &server->linger, LINGER_MS);
    h2o_timeout_init(loop, &server->drain, DRAIN_MS);
    h2o_timeout_init(loop, &server->pause, PAUSE_MS);
}

/* As many connections as file descriptors allow: a socket each, and perhaps a spilled body. */
static void size_connections(struct server *server)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FILES_MAX) {
        limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            getrlimit(RLIMIT_NOFILE, &limit);
    }
    size_t files = (size_t)limit.rlim_cur;
    server->connections_max = files > 4 * FILES_OWN ? (files - FILES_OWN) / 2 : FILES_OWN;
}

static int read_token(struct server *server, const char *file, struct pe_error *err)
{
    if (!file) {
        pe_log(PE_LOG_WARN, "no --token-file: anyone who can connect may join as a worker");
        return 0;
    }
    pe_autobuf struct pe_buf text = {0};
    if (pe_read_file(AT_FDCWD, file, TOKEN_MAX, &text, err) < 0)
        return pe_fail_context(err, "--token-file");
    while (text.size && strchr(" \t\r\n", text.data[text.size - 1]))
        text.size--;
    if (!text.size || memchr(text.data, '\0', text.size) || memchr(text.data, '\n', text.size))
        return pe_fail(err, PE_ERR_INVALID, "--token-file %s must hold one line of text", file);
    server->token = strndup((const char *)text.data, text.size);
    return server->token ? 0 : pe_fail_errno(err, "--token-file");
}

/* ---- the end ---- */

void server_run_ended(struct server *server)
{
    server->runs--;
    if (server->draining && server->runs == 0)
        server->stopped = true;
}

static void on_drain_over(h2o_timeout_entry_t *entry)
{
    struct server *server = H2O_STRUCT_FROM_MEMBER(struct server, drain_entry, entry);
    pe_log(PE_LOG_WARN, "%zu jobs did not end in time", server->runs);
    server->stopped = true;
}

static void begin_draining(struct server *server)
{
    pe_log(PE_LOG_INFO, "shutting down: %zu jobs are to be finished", server->runs);
    server->draining = true;
    server->ctx.shutdown_requested = 1; /* no keep-alive any more */
    listener_close_all(server);
    server->drain_entry.cb = on_drain_over;
    h2o_timeout_link(server->ctx.loop, &server->drain, &server->drain_entry);
    server->stopped = server->runs == 0;
}

static void on_signal(h2o_socket_t *sock, const char *error)
{
    struct server *server = sock->data;
    struct signalfd_siginfo info;
    if (error || read(h2o_socket_get_fd(sock), &info, sizeof info) != sizeof info)
        return;
    if (server->draining)
        server->stopped = true; /* asked twice */
    else
        begin_draining(server);
}

/* Signals come as readable bytes, so that nothing ever runs between two instructions of ours. */
static int watch_signals(struct server *server, struct pe_error *err)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return pe_fail_errno(err, "blocking signals");
    int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return pe_fail_errno(err, "signalfd");
    h2o_socket_t *sock = h2o_evloop_socket_create(server->ctx.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    sock->data = server;
    h2o_socket_read_start(sock, on_signal);
    return 0;
}

/* ---- life ---- */

int server_init(struct server *server, const struct server_settings *settings, struct pe_error *err)
{
    *server = (struct server){0};
    list_init(&server->listeners);
    scheduler_init(&server->scheduler, (size_t)settings->queue_jobs);
    if (read_token(server, settings->token_file, err) < 0)
        return -1;
    size_connections(server);
    configure(server);
    h2o_context_init(&server->ctx, h2o_evloop_create(), &server->config);
    server->accept.ctx = &server->ctx;
    server->accept.hosts = server->config.hosts;
    init_timeouts(server, settings->queue_wait_ms);
    if (hangup_init(&server->hangup, server->ctx.loop, err) < 0)
        return -1;
    return watch_signals(server, err);
}

void server_dispatch(struct server *server)
{
    struct sched_slot *slot = NULL;
    struct sched_job *job = NULL;
    while (scheduler_match(&server->scheduler, &slot, &job)) {
        struct run *run = H2O_STRUCT_FROM_MEMBER(struct run, job, job);
        run_on_start(run);
        slot_link_start(slot, run);
    }
}

int server_run(struct server *server, struct pe_error *err)
{
    while (!server->stopped)
        if (h2o_evloop_run(server->ctx.loop, INT32_MAX) != 0 && errno != EINTR)
            return pe_fail_errno(err, "the event loop");
    listener_close_all(server);
    pe_log(PE_LOG_INFO, "stopped");
    return 0;
}
