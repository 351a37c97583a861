/* SPDX-License-Identifier: Apache-2.0 */
/* Wiring and time. */
#include "tests/model/balancer.h"

#include "lb/workers/registration.h"
#include "tests/model/at_rest.h"
#include "tests/model/book.h"
#include "tests/model/clock.h"
#include "tests/model/dialects.h"
#include "tests/model/http_edge.h"
#include "tests/model/keeper.h"
#include "tests/model/ws_edge.h"

struct balancer balancer;

static void do_nothing(void *data)
{
    (void)data;
}

static void on_worker_changed(void *data)
{
    (void)data;
    exchanges_worker_changed(&balancer.exchanges);
}

/* ---- start ---- */

static void init_loop(void)
{
    h2o_linklist_init_anchor(&balancer.evloop._timeouts);
    balancer.evloop._now = clock_us / 1000;
    balancer.ctx.loop = &balancer.evloop;
    h2o_timeout_init(&balancer.evloop, &balancer.ctx.zero_timeout, 0);
    h2o_loop_init(&balancer.h2o_loop, &balancer.ctx);
    balancer.loop_ops = *balancer.h2o_loop.loop.ops;
    balancer.loop_ops.watch = keeper_watch;
    balancer.loop_ops.await_writable = keeper_await_writable;
    balancer.loop_ops.unwatch = keeper_unwatch;
    balancer.h2o_loop.loop.ops = &balancer.loop_ops;
}

static void init_core(void)
{
    const struct queue_limits limits = {.jobs = options.queue_jobs, .bytes = options.queue_bytes};
    struct loop *loop = &balancer.h2o_loop.loop;
    scheduler_init(&balancer.scheduler, &limits);
    dispatch_init(&balancer.dispatch, &balancer.scheduler, loop);
    deadlines_init(&balancer.deadlines, loop);
    presence_init(&balancer.presence, &balancer.scheduler, &balancer.deadlines, options.away_us);
    clients_init(&balancer.clients);
    cache_init(&balancer.cache, options.cache_bytes);
    byte_budget_init(&balancer.budget, options.results_bytes, &balancer.cache.bytes);
    balancer.jobs = (struct jobs){.scheduler = &balancer.scheduler,
                                  .dispatch = &balancer.dispatch,
                                  .cache = &balancer.cache,
                                  .store = &balancer.store,
                                  .poison = &balancer.poison,
                                  .metrics = &balancer.metrics,
                                  .budget = &balancer.budget,
                                  .loop = loop,
                                  .poison_us = options.poison_us};
    const struct audit_settings audits = {.share = options.audits ? 1 : 0, .again_ms = 500};
    audit_init(&balancer.audit, &balancer.jobs, &audits);
    balancer.audit.on_wrong_result = book_on_wrong_result;
}

static void on_gathered(h2o_timeout_entry_t *entry)
{
    (void)entry;
    balancer.gathered_us = clock_us;
    exchanges_stop_gathering(&balancer.exchanges);
}

static void begin_gathering(void)
{
    balancer.exchanges.gathering = options.gather_us > 0;
    h2o_timeout_init(&balancer.evloop, &balancer.gather, options.gather_us / 1000);
    balancer.gather_entry.cb = on_gathered;
    if (balancer.exchanges.gathering)
        h2o_timeout_link(&balancer.evloop, &balancer.gather, &balancer.gather_entry);
}

static void init_edges(void)
{
    struct worker_context *workers = &balancer.workers;
    struct exchanges *exchanges = &balancer.exchanges;
    ws_context_init(&workers->ws, &balancer.ctx, PE_SLOT_SUBPROTOCOL, "worker");
    registrations_init(workers);
    workers->tokens = &balancer.tokens;
    workers->scheduler = &balancer.scheduler;
    workers->dispatch = &balancer.dispatch;
    workers->presence = &balancer.presence;
    workers->on_worker_changed = on_worker_changed;
    body_streams_init(&balancer.streams, &balancer.ctx, &balancer.budget);
    exchanges_init(exchanges, &balancer.ctx);
    exchanges->jobs = &balancer.jobs;
    exchanges->streams = &balancer.streams;
    exchanges->clients = &balancer.clients;
    exchanges->access = &balancer.access;
    balancer.access = (struct access){.allows_anonymous = true,
                                      .anonymous = {.jobs = options.client_jobs,
                                                    .rate = options.client_rate,
                                                    .burst = options.client_burst}};
    exchanges->deadlines = &balancer.deadlines;
    exchanges->queue_wait_us = options.queue_wait_us;
    exchanges->case_rules = (struct case_rules){.total_ms = 600000, .slots = PARTS_MAX};
    exchanges->on_ended = do_nothing;
    const struct live_limits limits = {.jobs = options.session_jobs,
                                       .idle_us = options.idle_us,
                                       .total_ms = 1800000,
                                       .stall_us = 60000000,
                                       .arriving = 64u << 20};
    live_sessions_init(&balancer.live, &balancer.ctx, exchanges, &limits);
    dialects_start();
}

void balancer_start(void)
{
    struct pe_error err;
    balancer = (struct balancer){.store_settings.folder = options.has_store ? "/nowhere" : NULL};
    init_loop();
    init_core();
    init_edges();
    begin_gathering();
    if (result_store_init(&balancer.store, &balancer.h2o_loop.loop, &balancer.store_settings,
                          &balancer.budget.used, &err) < 0)
        abort();
}

/* ---- time ---- */

static void run_timeouts(void)
{
    h2o_linklist_t *timeouts = &balancer.evloop._timeouts;
    for (h2o_linklist_t *node = timeouts->next; node != timeouts; node = node->next)
        h2o_timeout_run(&balancer.evloop, H2O_STRUCT_FROM_MEMBER(h2o_timeout_t, _link, node),
                        balancer.evloop._now);
}

static bool is_due(void)
{
    return h2o_timeout_get_wake_at(&balancer.evloop._timeouts) <= balancer.evloop._now;
}

void balancer_settle(void)
{
    unsigned rounds = 0;
    balancer.evloop._now = clock_us / 1000;
    for (bool more = true; more;) {
        EXPECT(rounds++ < 10000, "the event loop does not come to rest");
        book_sync();
        more = is_due();
        if (more)
            run_timeouts();
        more |= requests_end_due() > 0;
        more |= peers_end_due() > 0;
        keeper_read();
        more |= keeper_poll();
    }
    book_sync();
    at_rest_check();
}

void balancer_advance(uint64_t us)
{
    uint64_t until_us = clock_us + us;
    balancer_settle();
    while (clock_us < until_us) {
        uint64_t wake_us = h2o_timeout_get_wake_at(&balancer.evloop._timeouts);
        wake_us = wake_us > until_us / 1000 ? until_us : wake_us * 1000;
        clock_us = wake_us > clock_us ? wake_us : clock_us;
        balancer_settle();
    }
}

/* ---- phases ---- */

void balancer_drain(void)
{
    if (balancer.exchanges.gathering)
        on_gathered(NULL);
    h2o_timeout_unlink(&balancer.gather_entry);
    balancer.exchanges.draining = true;
    audit_stop(&balancer.audit);
    dispatch_drain(&balancer.dispatch);
}

/* ---- end ---- */

void balancer_stop(void)
{
    audit_stop(&balancer.audit);
    EXPECT(balancer.audit.count == 0 && balancer.audit.bytes == 0 && balancer.audit.running == 0,
           "%zu audits are left", balancer.audit.count);
    result_store_close(&balancer.store);
    cache_free(&balancer.cache);
    clients_free(&balancer.clients);
    EXPECT(balancer.live.open == 0 && balancer.live.jobs == 0 && balancer.live.arriving == 0,
           "%zu sessions are left", balancer.live.open);
    EXPECT(balancer.budget.used == 0, "%zu bytes of results are left", balancer.budget.used);
}
