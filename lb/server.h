/* The balancer as one process: libh2o's event loop and the state that every request and every worker
 * connection shares. One thread; whatever runs, runs in a callback of the loop. */
#ifndef PE_LB_SERVER_H
#define PE_LB_SERVER_H

#include "base/error.h"
#include "lb/h2o.h"
#include "lb/hangup.h"
#include "lb/scheduler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server_settings {
    const char *token_file; /* workers' token; NULL: any worker may join */
    uint64_t queue_jobs;    /* jobs that may wait for a slot */
    uint64_t queue_wait_ms; /* how long one may wait */
};

struct server {
    h2o_globalconf_t config;
    h2o_context_t ctx;
    h2o_accept_ctx_t accept;
    struct scheduler scheduler;
    struct hangup hangup;
    char *token; /* owned; NULL: none is asked for */

    /* libh2o keeps entries of one duration in one list, so each duration is one of these. */
    h2o_timeout_t queue_wait; /* a job waits for a slot */
    h2o_timeout_t stall;      /* a client takes nothing of its response */
    h2o_timeout_t tick;       /* PE_SLOT_PING_MS: pings, silence, a running job's deadline */
    h2o_timeout_t linger;     /* a refused client may finish sending */
    h2o_timeout_t drain;      /* running jobs may finish after SIGTERM */
    h2o_timeout_t pause;      /* accepting pauses when file descriptors run out */

    struct list listeners;
    size_t connections, connections_max;
    size_t runs;   /* POST /v1/run requests not answered completely */
    bool draining; /* SIGTERM came: no new jobs */
    bool stopped;  /* the loop ends */
    h2o_timeout_entry_t drain_entry, pause_entry;
};

/* Set up everything but the listeners. `server` must stay where it is. */
int server_init(struct server *server, const struct server_settings *settings,
                struct pe_error *err) PE_MUST_CHECK;

/* Serve until a signal and then until the running jobs are done. */
int server_run(struct server *server, struct pe_error *err) PE_MUST_CHECK;

/* Give waiting jobs to ready slots until one of both runs out. */
void server_dispatch(struct server *server);

/* Whatever may have been the last running job is over: ends the loop when draining. */
void server_run_ended(struct server *server);

#endif
