/* SPDX-License-Identifier: Apache-2.0 */
/* The balancer under test: the objects of lb/core, lb/workers and lb/api as lb/server.c connects them,
 * and an event loop whose time the test moves. */
#ifndef PE_TESTS_MODEL_BALANCER_H
#define PE_TESTS_MODEL_BALANCER_H

#include "lb/api/exchange.h"
#include "lb/api/live_session.h"
#include "lb/core/audit.h"
#include "lb/core/presence.h"
#include "lb/h2o_loop.h"
#include "lb/mcp/mcp.h"
#include "lb/piston/piston.h"
#include "lb/workers/worker_context.h"

struct balancer {
    h2o_loop_t evloop;
    h2o_context_t ctx;
    struct h2o_loop h2o_loop;
    struct loop_ops loop_ops;
    struct tokens tokens;
    struct result_store_settings store_settings;

    struct scheduler scheduler;
    struct dispatch dispatch;
    struct presence presence;
    struct deadlines deadlines;
    struct clients clients;
    struct access access;
    struct cache cache;
    struct result_store store;
    struct poison poison;
    struct metrics metrics;
    struct byte_budget budget;
    struct jobs jobs;
    struct audit audit;
    struct worker_context workers;
    struct body_streams streams;
    struct exchanges exchanges;
    struct live_sessions live;
    struct piston piston;
    struct mcp mcp;
    h2o_timeout_t gather; /* workers may connect after the start */
    h2o_timeout_entry_t gather_entry;
    uint64_t gathered_us; /* when their time was over */
};

extern struct balancer balancer;

/* Start it with the options of this run. */
void balancer_start(void);

/* End it: nothing may be left. */
void balancer_stop(void);

/* Let the event loop run until nothing is due at this moment. */
void balancer_settle(void);

/* Let time pass. Everything that becomes due happens at its time. */
void balancer_advance(uint64_t us);

/* The balancer is about to stop: as lb/server.c does it. */
void balancer_drain(void);

#endif
