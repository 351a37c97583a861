/* SPDX-License-Identifier: Apache-2.0 */
/* Setting everything up, signals, the phases of start and end, and the loop. */
#include "lb/server.h"

#include "base/cleanup.h"
#include "base/home.h"
#include "base/io.h"
#include "base/log.h"
#include "lb/edge/loop_clock.h"
#include "lb/edge/spool.h"
#include "lb/edge/tls.h"
#include "lb/workers/registration.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

enum {
    FILES_MAX = 65536, /* file descriptors that are wanted, if the hard limit allows it */
    FILES_OWN = 64,    /* descriptors that connections may not use */
};

/* ---- files and limits ---- */

/* The number of connections that the limit on file descriptors allows: each needs a socket, and
 * perhaps a file for a large body. */
static size_t connections_max(void)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FILES_MAX) {
        limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            getrlimit(RLIMIT_NOFILE, &limit);
    }
    size_t files = (size_t)limit.rlim_cur;
    return files > 4 * FILES_OWN ? (files - FILES_OWN) / 2 : FILES_OWN;
}

/* Read the tokens of an option, if it was given. */
static int read_tokens(struct tokens *tokens, const char *option, const char *file, struct pe_error *err)
{
    return file && tokens_read(tokens, file, err) < 0 ? pe_fail_context(err, "%s", option) : 0;
}

static int read_admin_tokens(struct server *server, struct pe_error *err)
{
    return read_tokens(&server->admin_tokens, "--admin-token-file", server->settings->admin_token_file, err);
}

static int read_worker_tokens(struct server *server, struct pe_error *err)
{
    return read_tokens(&server->tokens, "--token-file", server->settings->token_file, err);
}

static int read_keys(struct server *server, struct pe_error *err)
{
    const char *file = server->settings->key_file;
    return file && api_keys_read(&server->access.keys, file, err) < 0 ? pe_fail_context(err, "--key-file")
                                                                      : 0;
}

static int read_host_images(struct server *server, struct pe_error *err)
{
    const char *file = server->settings->host_images;
    return file ? host_images_read(&server->host_images, file, err) : 0;
}

static int read_certificate(struct server *server, struct pe_error *err)
{
    const struct settings *settings = server->settings;
    if (!settings->tls_certificate || !settings->tls_key)
        return 0;
    SSL_CTX *context = tls_context(settings->tls_certificate, settings->tls_key, settings->http2, err);
    if (!context)
        return -1;
    listeners_set_tls(&server->listeners, context);
    return 0;
}

/* Read the playground. Without --playground, it may be missing. */
static int read_playground(struct server *server, struct pe_error *err)
{
    const char *folder = server->settings->playground_folder;
    char installed[PATH_MAX];
    if (!folder && pe_home_path("playground", installed, sizeof installed, err) < 0)
        return -1;
    if (static_files_read(&server->playground, folder ? folder : installed, err) == 0)
        return 0;
    return !folder && err->kind == PE_ERR_NOT_FOUND ? 0 : -1;
}

/* What is read at the start, and again on SIGHUP. On failure, each keeps what it has read before. */
static int (*const file_readers[])(struct server *server, struct pe_error *err) = {
    read_admin_tokens, read_worker_tokens, read_keys, read_host_images, read_certificate, read_playground};
enum { FILE_READERS = sizeof file_readers / sizeof *file_readers };

static int read_files(struct server *server, struct pe_error *err)
{
    for (size_t i = 0; i < FILE_READERS; i++)
        if (file_readers[i](server, err) < 0)
            return -1;
    return 0;
}

/* ---- the start: workers connect ---- */

static void start_phase(struct server *server, h2o_timeout_t *timeout, h2o_timeout_cb on_over)
{
    server->phase_entry.cb = on_over;
    h2o_timeout_link(server->ctx.loop, timeout, &server->phase_entry);
}

static void on_gathered(h2o_timeout_entry_t *entry)
{
    struct server *server = H2O_STRUCT_FROM_MEMBER(struct server, phase_entry, entry);
    exchanges_stop_gathering(&server->exchanges);
}

static void on_worker_changed(void *data)
{
    struct server *server = data;
    exchanges_worker_changed(&server->exchanges);
}

/* ---- every minute ---- */

static void on_minute(h2o_timeout_entry_t *entry)
{
    struct server *server = H2O_STRUCT_FROM_MEMBER(struct server, minute_entry, entry);
    uint64_t now = pe_now_us(), keep = server->settings->keep_addresses_min * 60 * 1000000;
    clients_forget_idle(&server->clients, now > keep ? now - keep : 0);
    if (server->cache.age_max_s)
        cache_expire(&server->cache);
    dispatch_soon(&server->dispatch); /* audits that have waited for too long end */
    h2o_timeout_link(server->ctx.loop, &server->minute, entry);
}

/* ---- the end ---- */

/* End the loop if all requests are answered, and no accepted connection is still to send its
 * first one. Called whenever an exchange or a connection has ended. */
static void stop_if_done(void *data)
{
    struct server *server = data;
    if (server->draining && server->exchanges.count == 0 && server->connections.unheard == 0)
        server->stopped = true;
}

static void on_drain_over(h2o_timeout_entry_t *entry)
{
    struct server *server = H2O_STRUCT_FROM_MEMBER(struct server, phase_entry, entry);
    pe_log(PE_LOG_WARN, "%zu jobs did not finish in time", server->exchanges.count);
    server->stopped = true;
}

static void on_handed_over(h2o_timeout_entry_t *entry)
{
    struct server *server = H2O_STRUCT_FROM_MEMBER(struct server, phase_entry, entry);
    server->draining = server->exchanges.draining = server->connections.draining = true;
    server->ctx.shutdown_requested = 1; /* no more keep-alive */
    listeners_close(&server->listeners);
    dispatch_drain(&server->dispatch);
    start_phase(server, &server->drain, on_drain_over);
    stop_if_done(server);
}

/* First, new connections are steered to a second process on the same port, if there is one,
 * while connections that the kernel has already given to this process are still accepted. Then
 * the listeners are closed. Connections that wait at sockets of systemd stay there for the next
 * process. */
static void begin_end(struct server *server)
{
    pe_log(PE_LOG_INFO, "shutting down: waiting for %zu jobs", server->exchanges.count);
    sd_notify(0, "STOPPING=1");
    server->terminating = true;
    audit_stop(&server->audit);
    exchanges_stop_gathering(&server->exchanges);
    h2o_timeout_unlink(&server->phase_entry);
    listeners_yield(&server->listeners);
    if (server->listeners.open.next == &server->listeners.open)
        on_handed_over(&server->phase_entry);
    else
        start_phase(server, &server->handover, on_handed_over);
}

/* ---- signals ---- */

/* A file that cannot be used keeps none of the others from being read: a key in one of them may have been
 * revoked. */
static void reload(struct server *server)
{
    struct pe_error err;
    bool failed = false;
    sd_notify(0, "RELOADING=1");
    for (size_t i = 0; i < FILE_READERS; i++) {
        if (file_readers[i](server, &err) == 0)
            continue;
        failed = true;
        pe_log(PE_LOG_ERROR, "SIGHUP: %s; what was there before stays", err.message);
    }
    if (!failed)
        pe_log(PE_LOG_INFO,
               "SIGHUP: tokens, keys, images for hosts, certificates and the playground were read again");
    sd_notify(0, "READY=1");
}

static void on_signal(h2o_socket_t *sock, const char *error)
{
    struct server *server = sock->data;
    struct signalfd_siginfo info;
    if (error || read(h2o_socket_get_fd(sock), &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGHUP)
        reload(server);
    else if (server->terminating)
        server->stopped = true; /* the second signal */
    else
        begin_end(server);
}

/* Signals are read from a descriptor, so that no handler ever interrupts other code. */
static int watch_signals(struct server *server, struct pe_error *err)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return pe_fail_errno(err, "cannot block signals");
    int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return pe_fail_errno(err, "cannot make a descriptor for signals");
    server->signals = h2o_evloop_socket_create(server->ctx.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    server->signals->data = server;
    h2o_socket_read_start(server->signals, on_signal);
    return 0;
}

/* ---- life ---- */

static void init_core(struct server *server)
{
    const struct settings *settings = server->settings;
    const struct queue_limits limits = {.jobs = (size_t)settings->queue_jobs,
                                        .bytes = (size_t)settings->queue_mib << 20};
    struct loop *loop = &server->loop.loop;
    scheduler_init(&server->scheduler, &limits);
    dispatch_init(&server->dispatch, &server->scheduler, loop);
    deadlines_init(&server->deadlines, loop);
    presence_init(&server->presence, &server->scheduler, &server->deadlines, settings->away_ms * 1000);
    clients_init(&server->clients);
    cache_init(&server->cache, (size_t)settings->cache_mib << 20);
    server->cache.age_max_s = settings->store.age_max_s;
    byte_budget_init(&server->budget, (size_t)settings->results_mib << 20, &server->cache.bytes);
    body_streams_init(&server->streams, &server->ctx, &server->budget);
    server->jobs = (struct jobs){.scheduler = &server->scheduler,
                                 .dispatch = &server->dispatch,
                                 .cache = &server->cache,
                                 .store = &server->store,
                                 .poison = &server->poison,
                                 .metrics = &server->metrics,
                                 .budget = &server->budget,
                                 .loop = loop,
                                 .poison_us = settings->poison_ms * 1000};
    audit_init(&server->audit, &server->jobs, &settings->audit);
}

static int init_edge(struct server *server, struct pe_error *err)
{
    const struct settings *settings = server->settings;
    const struct connection_rules rules = {.head_ms = settings->head_ms,
                                           .idle_ms = settings->idle_ms,
                                           .stall_ms = settings->stall_ms,
                                           .total_max = connections_max(),
                                           .address_max = (size_t)settings->client_connections,
                                           .log_addresses = settings->log_addresses,
                                           .trusted = &server->trusted};
    if (connections_init(&server->connections, &server->ctx, &rules, err) < 0)
        return -1;
    server->connections.on_closed = stop_if_done;
    server->connections.data = server;
    listeners_init(&server->listeners, &server->ctx, server->config.hosts, &server->connections);
    server->access = (struct access){.trusted = &server->trusted,
                                     .has_keys = settings->key_file != NULL,
                                     .allows_anonymous = settings->allows_anonymous,
                                     .anonymous = settings->anonymous};
    return peer_networks_parse(&settings->trusted_proxies, &server->trusted, err);
}

static void init_workers(struct server *server)
{
    struct worker_context *workers = &server->workers;
    ws_context_init(&workers->ws, &server->ctx, PE_SLOT_SUBPROTOCOL, "worker");
    registrations_init(workers);
    workers->tokens = &server->tokens;
    workers->trusted_hosts = &server->settings->trusted_hosts;
    workers->scheduler = &server->scheduler;
    workers->dispatch = &server->dispatch;
    workers->presence = &server->presence;
    workers->on_worker_changed = on_worker_changed;
    workers->data = server;
    host_watch_init(&server->host_watch, workers);
}

static void init_sessions(struct server *server)
{
    const struct settings *settings = server->settings;
    const struct live_limits limits = {.jobs = settings->interactive_jobs,
                                       .idle_us = settings->interactive_idle_ms * 1000,
                                       .total_ms = settings->interactive_ms,
                                       .stall_us = settings->stall_ms * 1000,
                                       .arriving = (size_t)settings->queue_mib << 20};
    live_sessions_init(&server->sessions, &server->ctx, &server->exchanges, &limits);
}

static void init_api(struct server *server)
{
    const struct settings *settings = server->settings;
    struct exchanges *exchanges = &server->exchanges;
    exchanges_init(exchanges, &server->ctx);
    exchanges->jobs = &server->jobs;
    exchanges->streams = &server->streams;
    exchanges->clients = &server->clients;
    exchanges->deadlines = &server->deadlines;
    exchanges->access = &server->access;
    exchanges->queue_wait_us = settings->queue_wait_ms * 1000;
    exchanges->case_rules =
        (struct case_rules){.total_ms = settings->cases_ms, .slots = settings->cases_slots};
    exchanges->cache_per_client = settings->cache_per_client;
    exchanges->gathering = settings->gather_ms > 0;
    exchanges->spans = settings->otlp_endpoint ? &server->spans : NULL;
    exchanges->on_ended = stop_if_done;
    exchanges->data = server;
    init_sessions(server);
    server->metrics_sources = (struct metrics_sources){.jobs = &server->jobs,
                                                       .audit = &server->audit,
                                                       .connections = &server->connections,
                                                       .exchanges = &exchanges->count,
                                                       .spans = &server->spans,
                                                       .sessions = &server->sessions};
    mcp_init(&server->mcp, exchanges, &settings->cors_origins);
    piston_init(&server->piston, exchanges, &server->sessions, &settings->cors_origins, &settings->piston);
}

static void init_phases(struct server *server)
{
    const struct settings *settings = server->settings;
    h2o_timeout_init(server->ctx.loop, &server->minute, 60 * 1000);
    server->minute_entry.cb = on_minute;
    h2o_timeout_link(server->ctx.loop, &server->minute, &server->minute_entry);
    h2o_timeout_init(server->ctx.loop, &server->gather, settings->gather_ms);
    h2o_timeout_init(server->ctx.loop, &server->handover, settings->handover_ms);
    h2o_timeout_init(server->ctx.loop, &server->drain, settings->drain_ms);
    if (server->exchanges.gathering)
        start_phase(server, &server->gather, on_gathered);
}

int server_init(struct server *server, const struct settings *settings, struct pe_error *err)
{
    *server = (struct server){.settings = settings};
    if (!settings->token_file && !settings->tokens)
        pe_log(PE_LOG_WARN, "without --token-file or --tokens, anyone who can connect may join as a worker");
    recent_errors_watch(&server->errors);
    server_configure(server);
    h2o_context_init(&server->ctx, h2o_evloop_create(), &server->config);
    loop_clock_keep_wall_time(&server->ctx._timestamp_cache.tv_at);
    h2o_loop_init(&server->loop, &server->ctx);
    init_core(server);
    if (init_edge(server, err) < 0 || read_files(server, err) < 0 ||
        (settings->tokens && tokens_use_hosts(&server->tokens, settings->tokens, err) < 0) ||
        spool_use_folder(settings->spool_folder, err) < 0)
        return -1;
    init_workers(server);
    init_api(server);
    init_phases(server);
    if (watch_signals(server, err) < 0)
        return -1;
    if (span_export_init(&server->spans, &server->loop.loop, settings->otlp_endpoint, err) < 0)
        return -1;
    return result_store_init(&server->store, &server->loop.loop, &settings->store, &server->budget.used, err);
}

int server_run(struct server *server, struct pe_error *err)
{
    pe_log_batch();
    while (!server->stopped) {
        pe_log_flush();
        if (h2o_evloop_run(server->ctx.loop, INT32_MAX) != 0 && errno != EINTR)
            return pe_fail_errno(err, "the event loop failed");
        connections_look_at_streams(&server->connections);
    }
    listeners_close(&server->listeners);
    host_watch_end(&server->host_watch);
    result_store_close(&server->store);
    span_export_close(&server->spans);
    pe_log(PE_LOG_INFO, "stopped");
    return 0;
}
