/* One POST /v1/run request: from the parsed body to the last byte of the response. It belongs to libh2o's
 * request (its memory pool's end is the run's end, whichever way that comes); its task only points to it, and
 * is left before it ends. */
#ifndef PE_LB_API_EXCHANGE_H
#define PE_LB_API_EXCHANGE_H

#include "lb/api/result_encoder.h"
#include "lb/core/client.h"
#include "lb/core/job.h"
#include "lb/core/job_key.h"
#include "lb/core/submission.h"
#include "lb/edge/h2o.h"
#include "lb/piston/request.h"

#include <stdbool.h>
#include <stdint.h>

struct connection;
struct server;

/* What the client lets us do with stored results. */
enum caching_mode {
    CACHING_USE,     /* look for one, join the same job, keep the result */
    CACHING_REFRESH, /* Cache-Control: no-cache: run it anew, and keep the result */
    CACHING_NONE,    /* "cache": false, or Cache-Control: no-store */
};

/* How the result was come by, for Cache-Status (RFC 9211). */
enum result_source { SOURCE_FORWARDED, SOURCE_COLLAPSED, SOURCE_HIT_MEMORY, SOURCE_HIT_STORE };

struct exchange {
    struct server *server;
    h2o_req_t *req;
    struct connection *connection;
    h2o_generator_t generator;
    char id[33];
    enum result_format format;
    enum caching_mode caching;
    enum result_source source;
    struct submission submission; /* its bytes lie in the request's body, or in `piston` */
    struct piston_request piston;
    bool is_piston;     /* it came by Piston's API, and is answered in its form */
    char digest[80];    /* of the image, empty when no host has it yet */
    struct job_key key; /* has_key */
    bool has_key;
    struct job_key body_hash; /* the request's own hash, when it is small: `has_body_hash` */
    bool has_body_hash;
    struct client *client; /* NULL until it is let in */

    struct job *job;           /* while it waits or the result arrives */
    struct list in_job;        /* of the task's runs */
    struct list in_waiting;    /* of the server's: its deadline is watched */
    bool is_named;             /* its client gave the id, and may ask by it (lb/api/job_status.h) */
    struct list in_responding; /* of the server's, from the first byte of the response on */
    uint64_t arrived_us, deadline_us, started_us; /* started: of its job, on a slot */

    h2o_timeout_entry_t tick_entry;  /* a piece is to be sent in this turn of the loop */
    h2o_timeout_entry_t stall_entry; /* while a piece of the response is on its way */
    struct result_encoder encoder;
    struct pe_buf sending; /* the piece libh2o holds */
    size_t shed;           /* bytes of its outcome, once it was cut off for memory's sake */
    bool begun;            /* the response has an outcome to be made from */
    bool started;          /* headers went out: no other answer is possible */
    bool in_flight;        /* libh2o has not asked for more yet */
    bool ended;            /* the last piece is out */
    bool aborted;          /* the response cannot be completed */
    char log_status[48];   /* for the log: a result's status or a problem's type */
};

/* Handle POST /v1/run. */
void exchange_accept(struct server *server, h2o_req_t *req);

/* Handle Piston's POST /api/v2/execute. */
void exchange_accept_piston(struct server *server, h2o_req_t *req);

/* The first host is there, or none came: go on with a run that waited for that. */
void exchange_on_workers(struct exchange *exchange);

/* Whether a host has what the job needs. */
bool exchange_has_image(const struct exchange *exchange);

/* It has waited as long as it may. */
void exchange_on_deadline(struct exchange *exchange);

/* Have `key`, if the image is still known: has_key. */
int exchange_make_key(struct exchange *exchange, struct pe_error *err) PE_MUST_CHECK;

/* What the task reports. The request, and the run with it, may end inside each of the calls. */
void exchange_on_start(struct exchange *exchange);
void exchange_on_result(struct exchange *exchange, struct job_result *result);
void exchange_on_stored(struct exchange *exchange);   /* the task's outcome came from the store */
void exchange_on_progress(struct exchange *exchange); /* the outcome has more bytes, or is complete */
void exchange_on_lost(struct exchange *exchange);     /* the outcome will not be completed */
void exchange_on_problem(struct exchange *exchange,
                         const struct pe_problem *problem); /* NULL: the queue is full */

/* ---- between lb/api/exchange.c, the job's way, and lb/api/exchange_response.c, the response's ---- */

/* Off the task, no longer watched, not waiting. */
void exchange_leave(struct exchange *exchange);

/* Answer with a whole body that the outcome keeps. */
void exchange_send_rendered(struct exchange *exchange, struct job_result *result,
                            const struct rendered *rendered);

/* Each ends the run's response; the request, and the run with it, may end inside the call. */
void exchange_send_problem(struct exchange *exchange, const struct pe_problem *problem);
void exchange_abort(
    struct exchange *exchange); /* headers are out: the client must see that it is not whole */

/* A piece of the response is to be sent; one is on its way for too long. */
void exchange_on_turn(h2o_timeout_entry_t *entry);
void exchange_on_stall(h2o_timeout_entry_t *entry);

/* End the client's connection, whatever libh2o is doing with it. */
void exchange_disconnect(struct exchange *exchange);

/* run_headers.c: Cache-Status, ETag, Age and Server-Timing of a response. */
void exchange_add_headers(struct exchange *exchange);

#endif
