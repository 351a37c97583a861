/* Setting everything up, signals, deadlines, the loop and its end. */
#include "lb/server.h"

#include "base/cleanup.h"
#include "base/home.h"
#include "base/io.h"
#include "base/log.h"
#include "lb/api/exchange.h"
#include "lb/edge/connection.h"
#include "lb/edge/listener.h"
#include "lb/edge/tls.h"
#include "lb/workers/slot_conn.h"
#include "proto/limits.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

enum {
    STALL_MS = 60000,
    LINGER_MS = 10000,
    PAUSE_MS = 200,
    RETRY_MS = 100,
    FILES_MAX = 65536, /* file descriptors wanted, if the hard limit allows */
    FILES_OWN = 64,    /* kept free of connections */
    SPOOL_OVER = 4 * 1024 * 1024,
};

/* ---- setup ---- */

static void init_timeouts(struct server *server)
{
    const struct settings *settings = server->settings;
    h2o_loop_t *loop = server->ctx.loop;
    h2o_timeout_init(loop, &server->stall, STALL_MS);
    h2o_timeout_init(loop, &server->tick, PE_SLOT_PING_MS);
    h2o_timeout_init(loop, &server->linger, LINGER_MS);
    h2o_timeout_init(loop, &server->pause, PAUSE_MS);
    h2o_timeout_init(loop, &server->retry, RETRY_MS);
    h2o_timeout_init(loop, &server->gather, settings->gather_ms);
    h2o_timeout_init(loop, &server->handover, settings->handover_ms);
    h2o_timeout_init(loop, &server->drain, settings->drain_ms);
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

/* libh2o collects a body in memory and, once that must hold this much, in an unlinked file that it maps. */
static int set_spool(const struct settings *settings, struct pe_error *err)
{
    h2o_buffer_mmap_settings_t *spool = &h2o_socket_buffer_mmap_settings;
    int n =
        snprintf(spool->fn_template, sizeof spool->fn_template, "%s/pe-lb-XXXXXX", settings->spool_folder);
    if (n < 0 || (size_t)n >= sizeof spool->fn_template)
        return pe_fail(err, PE_ERR_INVALID, "--spool-dir %s is too long", settings->spool_folder);
    spool->threshold = SPOOL_OVER;
    return 0;
}

/* Tokens and certificates; on failure what was there before stays. */
static int read_secrets(struct server *server, struct pe_error *err)
{
    const struct settings *settings = server->settings;
    if (settings->token_file && tokens_read(&server->tokens, settings->token_file, err) < 0)
        return -1;
    if (!settings->tls_certificate || !settings->tls_key)
        return 0;
    SSL_CTX *fresh = tls_context(settings->tls_certificate, settings->tls_key, settings->http2, err);
    if (!fresh)
        return -1;
    SSL_CTX_free(server->accept_tls.ssl_ctx); /* connections have references of their own */
    server->accept_tls.ssl_ctx = fresh;
    return 0;
}

/* ---- deadlines of jobs that wait ---- */

static void on_deadlines(h2o_timeout_entry_t *entry)
{
    struct server *server = H2O_STRUCT_FROM_MEMBER(struct server, deadline_entry, entry);
    uint64_t now = pe_now_us();
    for (struct list *node = server->waiting.next, *next; node != &server->waiting; node = next) {
        struct exchange *exchange = list_entry(node, struct exchange, in_waiting);
        next = node->next;
        if (now >= exchange->deadline_us)
            exchange_on_deadline(exchange);
    }
    server_watch_deadlines(server);
}

void server_watch_deadlines(struct server *server)
{
    if (server->waiting.next == &server->waiting || h2o_timeout_is_linked(&server->deadline_entry))
        return;
    server->deadline_entry.cb = on_deadlines;
    h2o_timeout_link(server->ctx.loop, &server->ctx.hundred_ms_timeout, &server->deadline_entry);
}

/* ---- the start: workers join ---- */

/* Jobs that wait for a host, and not in the queue, have no task yet. */
static void go_on_with(struct server *server, bool all)
{
    for (struct list *node = server->waiting.next, *next; node != &server->waiting; node = next) {
        struct exchange *exchange = list_entry(node, struct exchange, in_waiting);
        next = node->next;
        if (!exchange->job && (all || exchange_has_image(exchange)))
            exchange_on_workers(exchange);
    }
}

static void on_gathered(h2o_timeout_entry_t *entry)
{
    struct server *server = H2O_STRUCT_FROM_MEMBER(struct server, phase_entry, entry);
    server->gathering = false;
    go_on_with(server, true);
}

void server_worker_changed(struct server *server)
{
    if (server->gathering)
        go_on_with(server, false);
    server_dispatch(server);
}

/* ---- the end ---- */

void server_exchange_ended(struct server *server)
{
    server->exchanges--;
    server_check_end(server);
}

void server_check_end(struct server *server)
{
    if (server->draining && server->exchanges == 0 && server->unheard == 0)
        server->stopped = true;
}

static void on_drain_over(h2o_timeout_entry_t *entry)
{
    struct server *server = H2O_STRUCT_FROM_MEMBER(struct server, phase_entry, entry);
    pe_log(PE_LOG_WARN, "%zu jobs did not end in time", server->exchanges);
    server->stopped = true;
}

/* Ready slots are of use elsewhere: their workers connect to whoever listens now. One stays, for a job that
 * may lose its slot. */
static void dismiss_slots(struct server *server)
{
    size_t spared = 0;
    if (!server->draining || server->scheduler.queued_count)
        return;
    list_for_each(node, &server->scheduler.slots)
    {
        struct slot *slot = list_entry(node, struct slot, in_slots);
        if (list_linked(&slot->in_ready) && spared++)
            slot_conn_dismiss(slot);
    }
}

static void on_handed_over(h2o_timeout_entry_t *entry)
{
    struct server *server = H2O_STRUCT_FROM_MEMBER(struct server, phase_entry, entry);
    server->draining = true;
    server->ctx.shutdown_requested = 1; /* no keep-alive any more */
    listener_close_all(server);
    dismiss_slots(server);
    server->phase_entry.cb = on_drain_over;
    h2o_timeout_link(server->ctx.loop, &server->drain, &server->phase_entry);
    server_check_end(server);
}

/* First new connections are steered to a second process on the same port, if there is one, while those that
 * were on their way to this one are still taken; then the listeners close. What waits at systemd's sockets
 * stays there for the next process. */
static void begin_end(struct server *server)
{
    pe_log(PE_LOG_INFO, "shutting down: %zu jobs are to be finished", server->exchanges);
    sd_notify(0, "STOPPING=1");
    server->terminating = true;
    if (server->gathering)
        on_gathered(&server->phase_entry);
    listener_yield_all(server);
    h2o_timeout_unlink(&server->phase_entry);
    if (server->listeners.next == &server->listeners) {
        on_handed_over(&server->phase_entry);
        return;
    }
    server->phase_entry.cb = on_handed_over;
    h2o_timeout_link(server->ctx.loop, &server->handover, &server->phase_entry);
}

/* Without --playground a page that is not there is no error. */
static int read_page(struct server *server, struct pe_error *err)
{
    const char *named = server->settings->playground_folder;
    char own[PATH_MAX];
    if (!named && pe_home_path("playground", own, sizeof own, err) < 0)
        return -1;
    if (static_files_read(&server->page, named ? named : own, err) == 0)
        return 0;
    return !named && err->kind == PE_ERR_NOT_FOUND ? 0 : -1;
}

static void reload(struct server *server)
{
    struct pe_error err;
    sd_notify(0, "RELOADING=1");
    if (read_secrets(server, &err) < 0 || read_page(server, &err) < 0)
        pe_log(PE_LOG_ERROR, "SIGHUP: %s; what was there before stays", err.message);
    else
        pe_log(PE_LOG_INFO, "SIGHUP: tokens, certificates and the page are read again");
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
        server->stopped = true; /* asked twice */
    else
        begin_end(server);
}

/* Signals come as readable bytes, so that nothing ever runs between two instructions of ours. */
static int watch_signals(struct server *server, struct pe_error *err)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
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

static void init_state(struct server *server)
{
    const struct settings *settings = server->settings;
    const struct queue_limits limits = {.jobs = (size_t)settings->queue_jobs,
                                        .bytes = (size_t)settings->queue_mib << 20};
    list_init(&server->listeners);
    list_init(&server->connections_open);
    list_init(&server->waiting);
    list_init(&server->responding);
    scheduler_init(&server->scheduler, &limits);
    clients_init(&server->clients, &settings->client);
    cache_init(&server->cache, (size_t)settings->cache_mib << 20);
    server->queue_wait_us = settings->queue_wait_ms * 1000;
    server->poison_us = settings->poison_ms * 1000;
    server->results_max = (size_t)settings->results_mib << 20;
    server->gathering = settings->gather_ms > 0;
}

int server_init(struct server *server, const struct settings *settings, struct pe_error *err)
{
    *server = (struct server){.settings = settings};
    init_state(server);
    if (!settings->token_file)
        pe_log(PE_LOG_WARN, "no --token-file: anyone who can connect may join as a worker");
    if (read_secrets(server, err) < 0 || read_page(server, err) < 0 || set_spool(settings, err) < 0 ||
        peer_networks_parse(&settings->trusted_proxies, &server->trusted, err) < 0)
        return -1;
    size_connections(server);
    server_configure(server);
    h2o_context_init(&server->ctx, h2o_evloop_create(), &server->config);
    server->accept.ctx = server->accept_tls.ctx = &server->ctx;
    server->accept.hosts = server->accept_tls.hosts = server->config.hosts;
    init_timeouts(server);
    connections_watch(server);
    if (hangup_init(&server->hangup, server->ctx.loop, err) < 0 || watch_signals(server, err) < 0 ||
        result_store_init(&server->store, server->ctx.loop, &settings->store, &server->result_bytes, err) < 0)
        return -1;
    server->phase_entry.cb = on_gathered;
    if (server->gathering)
        h2o_timeout_link(server->ctx.loop, &server->gather, &server->phase_entry);
    return 0;
}

void server_dispatch(struct server *server)
{
    struct slot *slot = NULL;
    struct queue_entry *entry = NULL;
    while (scheduler_match(&server->scheduler, &slot, &entry)) {
        struct job *job = H2O_STRUCT_FROM_MEMBER(struct job, entry, entry);
        job_on_start(job);
        slot_conn_start(slot, job);
    }
    dismiss_slots(server);
}

void server_bound_results(struct server *server)
{
    while (server->result_bytes > server->cache.bytes + server->results_max + server->shedding &&
           server->responding.next != &server->responding) {
        struct exchange *exchange = list_entry(server->responding.next, struct exchange, in_responding);
        exchange->shed = exchange->encoder.result->held;
        server->shedding += exchange->shed;
        pe_log_about(PE_LOG_WARN, exchange->id, "results hold too much memory: its slow reader is cut off");
        server->metrics.shed++;
        list_remove(&exchange->in_responding);
        exchange_disconnect(exchange); /* it ends from the loop */
    }
}

int server_run(struct server *server, struct pe_error *err)
{
    pe_log_batch();
    while (!server->stopped) {
        pe_log_flush();
        if (h2o_evloop_run(server->ctx.loop, INT32_MAX) != 0 && errno != EINTR)
            return pe_fail_errno(err, "the event loop");
    }
    listener_close_all(server);
    result_store_close(&server->store);
    pe_log(PE_LOG_INFO, "stopped");
    return 0;
}
