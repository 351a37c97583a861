/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and their responses, in the place of libh2o and lb/edge/connection.c. A request is given to
 * the balancer as libh2o would give it, and what the balancer sends is checked for its order here:
 * headers once, a piece only when the one before was taken, nothing after the last one. */
#ifndef PE_TESTS_MODEL_HTTP_EDGE_H
#define PE_TESTS_MODEL_HTTP_EDGE_H

#include "base/buffer.h"
#include "lb/api/exchange.h"
#include "proto/problem.h"
#include "tests/model/events.h"
#include "tests/model/report.h"
#include "tests/model/sessions.h"
#include "tests/model/world.h"

struct group;

/* lb/edge/connection.h leaves this struct to its implementation. Each request has one of its own. */
struct connection {
    bool is_new;
    void (*on_hangup)(void *data); /* while the client is watched */
    void *data;
};

struct request {
    h2o_req_t req;
    struct connection connection;
    struct exchange *exchange; /* the balancer's side of it; NULL before it is made, and of a session */
    struct session *session;   /* owned; NULL: its job is not interactive */

    /* what the client wants */
    unsigned number, client;
    struct work work;
    struct pe_isolation_set demand;
    enum caching_mode caching;
    bool is_malformed;
    char id[33];       /* that it has chosen; empty: none */
    bool has_id;       /* no other open request has this id: it can be asked for by it */
    unsigned language; /* of a request of Piston: that of an image, or one that several images have */
    bool has_token;    /* of an agent: it wants to hear of progress */
    bool is_question;  /* it asks for a job, or cancels it, and is not one of `requests` */
    uint64_t arrived_us, wait_us;
    uint64_t deletions; /* of results, before it came */
    struct pe_buf body;

    /* the response */
    bool started, in_flight, final, aborted;
    bool is_hit, is_from_store, has_joined; /* says its Cache-Status */
    char key[65];                           /* X-Result-Key; empty: none */
    char problem[48];                       /* type of the problem that it is; empty: it is a result */
    struct pe_buf problem_text;             /* its JSON */
    struct pe_problem in_mind;              /* of another API: the problem that is put into its form, */
    bool has_in_mind;                       /* if there is one */
    struct watcher *watcher;                /* owned; NULL: the client did not ask for events */
    uint64_t sent_us, read_us;              /* when the last piece was sent and taken */
    struct pe_buf response;
    h2o_generator_t *generator;

    /* its end */
    bool hung_up;      /* the client has gone */
    bool is_canceled;  /* somebody has cancelled its job */
    bool is_shut_down; /* the balancer ends the connection */
    bool must_end;     /* it is disposed of at the end of this turn */

    /* what the model knows */
    bool lost_its_run;                    /* after its response had begun */
    struct group *groups[PARTS_MAX];      /* whose results it waits for: several, if its cases are spread */
    struct group *last_groups[PARTS_MAX]; /* the last ones */
    uint64_t waited_us;                   /* time without a slot, until `since_us` */
    uint64_t since_us;                    /* 0: its time does not run */
    uint64_t late_us;  /* how long it had waited when it got a job, if that is more than it may */
    bool was_let_in;   /* it counts in its client's limits */
    bool is_evaluated; /* the workers were looked at for it */
    uint64_t left_us;  /* when that was, or when it left its job */
    unsigned variants; /* bits: of its image, when it was evaluated */
};

extern struct request *requests[REQUESTS]; /* those that are open, in the order of arrival; then NULL */

/* Begin with no requests. */
void requests_reset(void);

/* Make a request that the caller fills and gives to http_edge_send(). NULL if too many are open. */
struct request *request_make(void);

/* Add a header to a request. */
void request_header(struct request *request, const char *name, const char *value);

/* The balancer's side of a request, or of one part of it, that can wait for a job, or NULL. */
static inline const struct job_waiter *request_waiter(const struct request *request, unsigned part)
{
    if (request->session)
        return request->session->live && !part ? &request->session->live->waiter : NULL;
    const struct exchange_cases *cases = request->exchange ? request->exchange->cases : NULL;
    if (cases && cases->parts.items)
        return part < cases->parts.count ? &cases->parts.items[part].waiter : NULL;
    return request->exchange && !part ? &request->exchange->waiter : NULL;
}

/* The memory that a part of a request needs while it waits. */
static inline size_t request_bytes(const struct request *request, unsigned part)
{
    bool is_derived = request->session || request->work.plan || request->work.api;
    return is_derived ? request_waiter(request, part)->bytes : request->body.size;
}

/* Whether a request waits for workers to connect, just after the start. */
static inline bool request_gathers(const struct request *request)
{
    return request->exchange && pe_list_linked(&request->exchange->in_waiting_for_workers);
}

/* The memory that it needs meanwhile. */
static inline size_t request_gathered_bytes(const struct request *request)
{
    return request->work.api ? request->exchange->waiter.bytes : request->body.size;
}

/* A group whose result a request waits for, or NULL: the first one, if there are several. */
static inline struct group *request_group(const struct request *request)
{
    for (unsigned part = 0; part < PARTS_MAX; part++)
        if (request->groups[part])
            return request->groups[part];
    return NULL;
}

/* Whether a request waits for a group. */
static inline bool request_waits_for(const struct request *request, const struct group *group)
{
    for (unsigned part = 0; part < PARTS_MAX; part++)
        if (group && request->groups[part] == group)
            return true;
    return false;
}

/* Whether a request waits for a group, or did and has waited for no other one in its place since. */
static inline bool request_had(const struct request *request, const struct group *group)
{
    for (unsigned part = 0; part < PARTS_MAX; part++)
        if (group && request->last_groups[part] == group)
            return true;
    return false;
}

/* A request has ended. It is freed. */
void request_end(struct request *request);

/* The client takes a piece of the response. */
void request_read(struct request *request);

/* The client goes away. */
void request_hang_up(struct request *request);

/* End the requests that are to be ended. Returns how many. */
unsigned requests_end_due(void);

#endif
