/* SPDX-License-Identifier: Apache-2.0 */
/* One request to run a job and its response (RFC 9110 calls both together an exchange), from the
 * complete body to the last byte of the response. It belongs to libh2o's request: it ends when the
 * memory pool of the request is freed, for any reason. Its job only points to it. The exchange
 * leaves the job before it ends.
 *
 * exchange.c            its life: it begins, leaves its job, is refused, ends
 * exchange_admission.c  the request: it is let in, answered from the cache, or waits for a job
 * exchange_response.c   the response: headers and pieces of the result, as fast as the client reads
 * exchange_events.c     events, if the client asked for them
 * exchange_cases.c      the jobs of a request with stages, in the place of one job
 * exchange_ids.c        the ids by which clients ask for their exchanges
 * exchange_headers.c    the headers that tell where a result came from
 * exchange_trace.c      its spans, if traces are exported */
#ifndef PE_LB_API_EXCHANGE_H
#define PE_LB_API_EXCHANGE_H

#include "lb/api/access.h"
#include "lb/api/body_stream.h"
#include "lb/api/dialect.h"
#include "lb/api/event_encoder.h"
#include "lb/api/result_encoder.h"
#include "lb/cases/parts.h"
#include "lb/core/byte_budget.h"
#include "lb/core/client.h"
#include "lb/core/deadlines.h"
#include "lb/core/job.h"
#include "lb/core/job_key.h"
#include "lb/core/request_trace.h"
#include "lb/core/submission.h"
#include "lb/edge/connection.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>
#include <stdint.h>

/* What all exchanges share. The pointers are not owned. */
struct exchanges {
    h2o_context_t *ctx;
    struct jobs *jobs;
    struct body_streams *streams;
    struct clients *clients;
    struct deadlines *deadlines;
    const struct access *access;        /* who may send jobs */
    uint64_t queue_wait_us;             /* how long a job may wait for a slot */
    struct case_rules case_rules;       /* of jobs with stages */
    bool cache_per_client;              /* results are shared only within one client */
    bool gathering;                     /* the balancer has just started, and workers are still connecting */
    bool draining;                      /* new jobs are refused */
    struct span_export *spans;          /* NULL: traces are only passed on */
    struct pe_list waiting_for_workers; /* exchanges whose image is unknown while `gathering`; they take up
                                           room in the queue */
    size_t count;
    h2o_timeout_t silence; /* after which a response of events gets a sign of life */
    void *by_id;           /* exchanges whose clients gave them an id: tsearch(3) (lb/api/exchange_ids.c) */

    /* An exchange has ended. */
    void (*on_ended)(void *data);
    void *data;
};

/* What the client allows us to do with stored results. */
enum caching_mode {
    CACHING_USE,     /* look for a result, join the same job, keep the result */
    CACHING_REFRESH, /* Cache-Control: no-cache: run the job, and keep the result */
    CACHING_NONE,    /* "cache": false, or Cache-Control: no-store */
};

/* Where a result came from. Reported in the Cache-Status header (RFC 9211). */
enum result_source { SOURCE_FORWARDED, SOURCE_COLLAPSED, SOURCE_HIT_MEMORY, SOURCE_HIT_STORE };

struct exchange;

/* A job with stages. */
struct exchange_cases {
    struct exchange *exchange;
    struct case_request request; /* points into the submission */
    struct case_parts parts;
};

struct exchange {
    struct exchanges *exchanges;
    const struct dialect *dialect;
    h2o_req_t *req;
    struct connection *connection;
    struct client *client; /* NULL until it is let in */
    char id[33];
    bool has_client_id; /* the client chose the id, and may ask by it (lb/api/job_status.h) */

    struct request_trace trace;

    struct submission submission; /* points into the request's body, or into memory of the dialect */
    enum result_format format;
    enum caching_mode caching;
    enum result_source source;
    char digest[80];    /* of the image; empty until a worker has it */
    char identity[65];  /* of the image's catalog entry, likewise */
    struct pe_buf salt; /* the submission's: the client's address, and what the client sent */
    struct job_key key; /* if `has_key` */
    bool has_key;
    struct job_key body_hash; /* hash of the request's body, if `has_body_hash` */
    bool has_body_hash;

    struct job_waiter waiter;     /* also holds the time of arrival */
    struct exchange_cases *cases; /* owned; NULL: the job has no stages. Else `waiter` waits for nothing */
    struct deadline deadline;     /* of its time without a slot: paused while its job is on one */
    uint64_t wait_us;             /* how long that time may be */
    struct pe_list in_waiting_for_workers;
    uint64_t started_us; /* when its job started on a slot; 0: not yet, or it was answered without a slot */
    uint64_t pays_since_us; /* while its job runs: since when; else 0 */
    uint64_t finished_us;   /* when the result was complete; 0: not yet */
    unsigned lost_tries;    /* of its job: slots or VMs that were lost */
    char worker[64];        /* that got the job last; cut if the name is longer */

    h2o_generator_t generator;
    h2o_timeout_entry_t tick_entry; /* a piece is to be sent at the end of this iteration of the loop */
    struct result_encoder encoder;
    struct event_encoder *events;      /* owned; NULL: the response is only the result */
    h2o_timeout_entry_t silence_entry; /* of events: nothing was sent for a while */
    struct pe_buf sending;             /* the piece that libh2o holds */
    struct budget_reader reader;       /* from the first byte of the response on */
    bool has_result;                   /* there is a result to make the response from */
    bool started;                      /* headers were sent: no other reply is possible */
    bool in_flight;                    /* libh2o has not asked for the next piece yet */
    bool ended;                        /* the last piece was handed over */
    bool aborted;                      /* the response cannot be completed */
    char log_status[48];               /* a result's status or a problem's type; empty: not answered yet */
};

/* `ctx` and the objects that `exchanges` points to must outlive it; it must stay where it is.
 * The caller sets the members from `jobs` to `queue_wait_us`, and `on_ended`. */
void exchanges_init(struct exchanges *exchanges, h2o_context_t *ctx);

/* ---- exchange_admission.c ---- */

/* Handle a request to run a job. */
void exchange_accept(struct exchanges *exchanges, const struct dialect *dialect, h2o_req_t *req);

/* A worker has connected or changed: continue with exchanges whose image is known now. */
void exchanges_worker_changed(struct exchanges *exchanges);

/* Workers have had enough time to connect: continue with all exchanges. */
void exchanges_stop_gathering(struct exchanges *exchanges);

/* ---- exchange.c ---- */

/* Begin an exchange for a request. It is freed with the request. */
struct exchange *exchange_begin(struct exchanges *exchanges, const struct dialect *dialect, h2o_req_t *req);

/* Count what its job has used as the client's, if the job is one that this exchange has begun, or inherited
 * from one that has left: the CPU time that the result states or, without a result, the time for which it
 * ran. Parts of a job with stages are counted when they are left. */
void exchange_charge(struct exchange *exchange, const struct pe_result *result);

/* Wait for workers no longer: the room in the queue is free again. Does nothing if it does not wait for them.
 */
void exchange_stop_gathering(struct exchange *exchange);

/* Leave the job, and wait for nothing any more. The files of the submission are freed. */
void exchange_leave(struct exchange *exchange);

/* Forget a result of which nothing was sent, and the piece of it that is to be sent at the end of
 * this iteration of the loop. */
void exchange_drop_result(struct exchange *exchange);

/* Leave the job and reply with a problem, in the form of the dialect. The exchange may end inside
 * the call.
 * */
void exchange_send_problem(struct exchange *exchange, const struct pe_problem *problem);

/* The same for a problem that a job reports. */
void exchange_send_forwarded(struct exchange *exchange, const struct pe_problem *problem);

/* Refuse the job, because there is no room for it. `what` begins the detail. */
void exchange_refuse_for_capacity(struct exchange *exchange, const char *what);

/* The same because the queue was full when the job got there. */
void exchange_refuse_for_queue(struct exchange *exchange);

/* Reply that the job was given up after `tries` tries, all of which lost their slot or VM. */
void exchange_give_up(struct exchange *exchange, unsigned tries);

/* ---- exchange_cases.c ---- */

/* Decode the stages and cases of the submission, and plan the jobs. Does nothing if it has none. Fails like
 * case_request_decode() and case_parts_make(). */
int exchange_cases_open(struct exchange *exchange, struct pe_error *err) PE_MUST_CHECK;

/* Of a job with stages: start its jobs. Fails like case_parts_start(). */
int exchange_cases_start(struct exchange *exchange, struct pe_error *err) PE_MUST_CHECK;

/* The job that the exchange waits for, or one of several; NULL: none. */
static inline const struct job *exchange_job(const struct exchange *exchange)
{
    return exchange->cases ? case_parts_job(&exchange->cases->parts) : exchange->waiter.job;
}

/* ---- exchange_response.c ---- */

/* Send what there is: the callback of `tick_entry`. The exchange may end inside the call. */
void exchange_on_tick(h2o_timeout_entry_t *entry);

/* Send what there is at the end of this iteration of the loop. What arrives meanwhile is sent in one piece; a
 * small result is complete by then. */
static inline void exchange_send_soon(struct exchange *exchange)
{
    h2o_context_t *ctx = exchange->exchanges->ctx;
    if (!h2o_timeout_is_linked(&exchange->tick_entry))
        h2o_timeout_link(ctx->loop, &ctx->zero_timeout, &exchange->tick_entry);
}

/* Count what the response holds in memory, and cut off slow readers if that is too much. */
void exchange_hold_memory(struct exchange *exchange);

/* Whether the response may hold so many more bytes. If not, slow readers are cut off, so that there will be
 * room later. */
bool exchange_has_room(struct exchange *exchange, size_t bytes);

/* Start the response from a result. Takes a reference. The exchange may end inside the call. */
void exchange_send_result(struct exchange *exchange, struct job_result *result);

/* Send a body that is kept with the result. */
void exchange_send_rendered(struct exchange *exchange, struct job_result *result,
                            const struct rendered *rendered);

/* More bytes of the result have arrived, or it is complete. */
void exchange_on_progress(struct exchange *exchange);

/* The result will not be completed. A response that has started is aborted. */
void exchange_on_lost(struct exchange *exchange);

/* The job waits again: the worker has given it back before it began. */
void exchange_on_returned(struct exchange *exchange);

/* Break off a response whose headers were sent, so that the client sees that it is incomplete. */
void exchange_abort(struct exchange *exchange);

/* ---- exchange_events.c ---- */

/* If the client asked for events, prepare them. PE_ERR_INTERNAL without memory. */
int exchange_events_open(struct exchange *exchange, struct pe_error *err) PE_MUST_CHECK;

/* The job starts on a slot. Does nothing without events, like the next one. */
void exchange_events_start(struct exchange *exchange);

/* The job has printed something. */
void exchange_events_output(struct exchange *exchange);

/* Of an exchange with events: the slot is not the job's any more, and everything starts again. `reason` says
 * why. */
void exchange_events_restart(struct exchange *exchange, const char *reason);

/* Of a response of events that has begun: end it with a problem. */
void exchange_events_fail(struct exchange *exchange, const struct pe_problem *problem);

/* Something was sent. After some silence, a sign of life follows. */
void exchange_events_watch_silence(struct exchange *exchange);

/* The exchange ends. */
void exchange_events_close(struct exchange *exchange);

/* ---- exchange_trace.c ---- */

/* The job starts on a slot: remember on which worker. */
void exchange_note_worker(struct exchange *exchange);

/* Export the spans of an exchange that ends. `source` says where the result came from. */
void exchange_export_trace(const struct exchange *exchange, const char *source);

/* ---- exchange_headers.c ---- */

/* Add Cache-Status and, if the result is known, ETag, Age and Server-Timing. */
void exchange_add_headers(struct exchange *exchange);

#endif
