/* One job that is to be done, for every request that asked for it: in the queue, on a slot and, should the
 * slot be lost, on another one. Requests for the same job share one task; it ends early when the last of them
 * leaves. */
#ifndef PE_LB_CORE_JOB_H
#define PE_LB_CORE_JOB_H

#include "base/list.h"
#include "lb/core/job_key.h"
#include "lb/core/job_result.h"
#include "lb/core/scheduler.h"
#include "lb/edge/h2o.h"
#include "proto/problem.h"
#include "proto/slot.h"

#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct server;

enum {
    JOB_TRIES_MAX = 3, /* slots that a job gets: one, and two more when they are lost */
    JOB_KILLS_MAX = 2, /* slots that may die with a job while their hosts live on */
};

struct job {
    struct server *server;
    char id[33];        /* the first request's */
    struct job_key key; /* when its result may be shared or kept */
    char digest[80];    /* of the image, empty when no host had it yet */
    bool shared;        /* listed under its key: the same job joins */
    bool keep;          /* its result may go into the cache */
    bool looking;       /* the store was asked, and its answer is awaited */

    struct list exchanges;
    struct exchange *source; /* whose request the input is sent from: one of `runs` */
    struct queue_entry entry;
    uint64_t started_us;                  /* on the latest slot */
    unsigned lost;                        /* slots that went away with it, */
    uint64_t lost_workers[JOB_TRIES_MAX]; /* and the serial numbers of their hosts, 0 for a host that went
                                             before */
    h2o_timeout_entry_t retry_entry;      /* between the loss of a slot and what follows from it */
    struct job_result *result;            /* from the result's first word on */
    unsigned busy;                        /* calls that walk through `runs`: it ends after the last */
};

/* The task under way for a key, or NULL. */
struct job *job_find(struct server *server, const struct job_key *key);

/* Begin a task for a run whose digest and key are set, or join one. Either may answer the run at once. */
int job_begin(struct exchange *exchange, bool share, struct pe_error *err) PE_MUST_CHECK;
void job_join(struct job *job, struct exchange *exchange);

/* A run no longer waits for the task. */
void job_leave(struct exchange *exchange);

/* The store's answer: the outcome, of which the task takes a reference, or NULL. */
void job_on_lookup(struct job *job, struct job_result *result);

/* The scheduler found a slot. */
void job_on_start(struct job *job);

/* What the slot reports, in this order. A negative return: the worker broke the protocol, as `err` says; the
 * slot is given up and job_on_lost follows. */
int job_on_result(struct job *job, struct pe_message *message, struct pe_error *err) PE_MUST_CHECK;
int job_on_bytes(struct job *job, const void *bytes, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* The last call that a slot makes is one of these. The slot must have let go of the task before: the task may
 * end inside the call. */
void job_on_end(struct job *job);
void job_on_problem(struct job *job, const struct pe_problem *problem); /* no result, and why */
/* The slot is gone. `worker_serial` is its host's, 0 when that went before. */
void job_on_lost(struct job *job, uint64_t worker_serial, const char *why);

/* How long a job waits that has `before` others in front of it, by what jobs took lately. */
uint64_t job_wait_us(const struct server *server, size_t before);

/* How long one more job of this client would wait, by what jobs took lately. */
uint64_t job_expected_wait_us(const struct server *server, const struct client_queue *client);

#endif
