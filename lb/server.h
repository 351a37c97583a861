/* The balancer as one process: libh2o's event loop and the state that every request and every worker
 * connection shares. One thread; whatever runs, runs in a callback of the loop. */
#ifndef PE_LB_SERVER_H
#define PE_LB_SERVER_H

#include "base/error.h"
#include "lb/api/static_files.h"
#include "lb/core/cache.h"
#include "lb/core/client.h"
#include "lb/core/metrics.h"
#include "lb/core/poison.h"
#include "lb/core/result_store.h"
#include "lb/core/scheduler.h"
#include "lb/edge/h2o.h"
#include "lb/edge/hangup.h"
#include "lb/edge/peer.h"
#include "lb/settings.h"
#include "lb/workers/tokens.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server {
    const struct settings *settings;
    h2o_globalconf_t config;
    h2o_context_t ctx;
    h2o_accept_ctx_t accept, accept_tls;

    struct scheduler scheduler;
    struct clients clients;
    struct cache cache;
    struct result_store store;
    struct poison poison;
    struct metrics metrics;
    void *jobs;  /* those that can be joined: tsearch(3), by key (lb/core/job.c) */
    void *named; /* runs whose clients gave them an id: tsearch(3), by id (lb/api/job_status.c) */
    struct tokens tokens;
    struct static_files page;
    struct peer_networks trusted;
    struct hangup hangup;

    struct list waiting;    /* runs whose deadline is watched */
    struct list responding; /* runs whose response is under way, the one begun first first */
    uint64_t queue_wait_us, poison_us;
    size_t shedding;                  /* bytes that runs which were cut off are about to give back */
    uint64_t service_us;              /* what a slot takes for a job: moving average, 0 before the first */
    size_t result_bytes, results_max; /* held by all outcomes; by those the cache does not hold */

    /* libh2o keeps entries of one duration in one list, so each duration is one of these. */
    h2o_timeout_t stall;    /* a client takes nothing of its response */
    h2o_timeout_t tick;     /* PE_SLOT_PING_MS: pings, silence, a running job's deadline */
    h2o_timeout_t linger;   /* a refused client may finish sending */
    h2o_timeout_t retry;    /* a job lost its slot, and others may be about to go */
    h2o_timeout_t pause;    /* accepting pauses when file descriptors run out */
    h2o_timeout_t gather;   /* workers may join after the start */
    h2o_timeout_t handover; /* connections made before SIGTERM are taken */
    h2o_timeout_t drain;    /* running jobs may finish after that */
    h2o_timeout_entry_t deadline_entry, sweep_entry, pause_entry, phase_entry;

    struct list listeners, connections_open;
    size_t connections, connections_max;
    size_t unheard;   /* of them, those whose first request has not come */
    size_t exchanges; /* POST /v1/run requests not answered completely */
    bool gathering;   /* the start was just now */
    bool terminating; /* SIGTERM came */
    bool draining;    /* nothing is listened on any more: no new jobs */
    bool stopped;     /* the loop ends */
};

/* Set up everything but the listeners. `server` must stay where it is, `settings` must outlive it. */
int server_init(struct server *server, const struct settings *settings, struct pe_error *err) PE_MUST_CHECK;

/* Serve until a signal and then until the running jobs are done. */
int server_run(struct server *server, struct pe_error *err) PE_MUST_CHECK;

/* Give waiting jobs to ready slots until one of both runs out. */
void server_dispatch(struct server *server);

/* A host said what it has: jobs may have waited for that. */
void server_worker_changed(struct server *server);

/* A run was put into `waiting`. */
void server_watch_deadlines(struct server *server);

/* Cut off the slowest readers while outcomes hold more memory than they may. */
void server_bound_results(struct server *server);

/* A run is over. */
void server_exchange_ended(struct server *server);

/* End the loop if draining and neither a run nor a connection that was accepted in time is waited for. */
void server_check_end(struct server *server);

/* routes.c: libh2o's configuration, and which function answers which request. */
void server_configure(struct server *server);

#endif
