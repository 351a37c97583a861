/* One POST /v1/run request: from the parsed body to the last byte of the response. It belongs to libh2o's
 * request (its memory pool's end is the run's end, whichever way that comes); the scheduler and a slot only
 * point to it, and are left before it ends. */
#ifndef PE_LB_RUN_H
#define PE_LB_RUN_H

#include "lb/h2o.h"
#include "lb/hangup.h"
#include "lb/request.h"
#include "lb/response.h"
#include "lb/scheduler.h"

#include <stdbool.h>
#include <stdint.h>

struct server;

struct run {
    struct server *server;
    h2o_req_t *req;
    h2o_generator_t generator;
    char id[33];
    enum response_format format;
    struct run_request request; /* its bytes lie in the request's body */
    struct sched_job job;
    struct hangup_watch watch;
    h2o_timeout_entry_t wait_entry;  /* while queued */
    h2o_timeout_entry_t stall_entry; /* while a piece of the response is on its way */

    uint64_t arrived_us, started_us;
    unsigned slots_lost;

    struct response response;
    struct pe_buf sending; /* the piece libh2o holds */
    bool started;          /* headers went out: no other answer is possible */
    bool in_flight;        /* libh2o has not asked for more yet */
    bool ended;            /* response.out holds all there is */
    bool aborted;          /* the response cannot be completed */
    char outcome[48];      /* for the log: a result's status or a problem's type */
};

/* Handle POST /v1/run. */
void run_accept(struct server *server, h2o_req_t *req);

/* The scheduler found a slot: the time in the queue is over. */
void run_on_start(struct run *run);

/* What the slot reports, in this order. A negative return: the worker broke the protocol, as `err` says; the
 * slot is given up and run_on_lost follows. */
int run_on_result(struct run *run, struct pe_message *message, struct pe_error *err) PE_MUST_CHECK;
int run_on_bytes(struct run *run, const void *bytes, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* The last call for a run that a slot makes is one of these. The slot must have let go of it before: the
 * request, and the run with it, may end inside the call. */
void run_on_end(struct run *run);
void run_on_problem(struct run *run, const struct pe_problem *problem); /* no result, and why */
void run_on_lost(struct run *run, const char *why); /* the slot is gone: another one, if it is not too late */

/* ---- between lb/run.c, the job's way, and lb/run_response.c, the response's ---- */

/* Out of the queue, off the slot, no longer watched. */
void run_leave(struct run *run);

/* Each ends the run's response; the request, and the run with it, may end inside the call. */
void run_answer_problem(struct run *run, const struct pe_problem *problem);
void run_abort_response(struct run *run); /* headers are out: the client must see that it is not whole */

/* A piece of the response is on its way for too long. */
void run_on_stall(h2o_timeout_entry_t *entry);

/* End the client's connection, whatever libh2o is doing with it. */
void run_disconnect(struct run *run);

#endif
