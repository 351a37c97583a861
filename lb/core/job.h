/* SPDX-License-Identifier: Apache-2.0 */
/* One job that is to be done: in the queue, on a slot and, should the slot be lost, on another
 * one. Requests for the same job share one job. Each of them is a waiter. The job ends early
 * when its last waiter leaves. */
#ifndef PE_LB_CORE_JOB_H
#define PE_LB_CORE_JOB_H

#include "base/list.h"
#include "codec/trace_context.h"
#include "lb/core/byte_budget.h"
#include "lb/core/cache.h"
#include "lb/core/dispatch.h"
#include "lb/core/job_ids.h"
#include "lb/core/job_input.h"
#include "lb/core/job_key.h"
#include "lb/core/job_result.h"
#include "lb/core/live_output.h"
#include "lb/core/loop.h"
#include "lb/core/metrics.h"
#include "lb/core/poison.h"
#include "lb/core/result_store.h"
#include "lb/core/scheduler.h"
#include "lb/core/submission.h"
#include "proto/problem.h"
#include "proto/slot.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* How often a job is tried: once, and twice more if slots or VMs are lost with it. */
enum { JOB_TRIES_MAX = SCHEDULER_TRIES_MAX };

struct job;

/* Who else is told what becomes of jobs (lb/core/audit.h). */
struct job_observer {
    /* A job has ended with a result that is complete. Its waiters are there still. */
    void (*on_complete)(struct job_observer *observer, const struct job *job);

    /* A client wants nothing to be left of the job with this key. */
    void (*on_forgotten)(struct job_observer *observer, const struct job_key *key);
};

/* What all jobs share. None of the pointers is owned. */
struct jobs {
    struct scheduler *scheduler;
    struct dispatch *dispatch;
    struct cache *cache;
    struct result_store *store;
    struct poison *poison;
    struct metrics *metrics;
    struct byte_budget *budget;
    struct loop *loop;
    struct job_observer *observer; /* NULL: nobody */
    uint64_t poison_us;            /* how long a job that killed slots is held back */
    struct pe_list long_reports;   /* requests whose long reports are read in turn (lb/cases/parts.c) */
    uint64_t service_us; /* how long a slot is busy with a job: moving average, 0 before the first job */
    void *ids;           /* of live jobs (lb/core/job_ids.h) */
    void *shared;        /* jobs that others may join: tsearch(3), by key and demanded isolation */
    LIST_HEAD(all_jobs, job) all;
};

struct job_waiter;

/* What a job reports to a waiter. The waiter may leave the job, and be freed, inside each of
 * these calls except on_start. */
struct job_waiter_ops {
    /* The job starts on a slot, or the waiter has joined a job that runs. */
    void (*on_start)(struct job_waiter *waiter);

    /* The job has printed something, which is in its member `live`. Only called for a waiter that
     * watches, at most once in an iteration of the loop and before the result. */
    void (*on_output)(struct job_waiter *waiter);

    /* The program has taken bytes of the waiter's input. Only called for a waiter that has one. */
    void (*on_taken)(struct job_waiter *waiter, size_t bytes);

    /* The result's fields are known; its bytes are complete or will arrive. With `stored`, the
     * result was found in the result store. The waiter takes a reference if it needs one. */
    void (*on_result)(struct job_waiter *waiter, struct job_result *result, bool stored);

    /* More bytes of the result have arrived, or it is complete. Called at most once in an iteration of the
     * loop, and at once when the result is complete. */
    void (*on_progress)(struct job_waiter *waiter);

    /* The slot or its VM was lost. The result, if there was one, will not be completed. The job is tried
     * again if the waiter stays. */
    void (*on_lost)(struct job_waiter *waiter);

    /* The worker has given the job back, before anything of it ran: it waits again. */
    void (*on_returned)(struct job_waiter *waiter);

    /* The last call: there is no result. Why is in `problem`. */
    void (*on_problem)(struct job_waiter *waiter, const struct pe_problem *problem);

    /* The last call: the queue was full after the result store had been asked. */
    void (*on_queue_full)(struct job_waiter *waiter);

    /* The last call: the job was given up after `tries` tries, all of which lost their slot or VM. A job with
     * input has one try. */
    void (*on_given_up)(struct job_waiter *waiter, unsigned tries);
};

/* A request that waits for a job. Embedded in its owner's struct, and zero-initialised except
 * for the members of the first group, which must be set before it waits for a job. */
struct job_waiter {
    const struct job_waiter_ops *ops;
    const struct submission *submission; /* must stay where it is while the waiter waits */
    struct client_queue *client;
    uint64_t arrived_us;          /* on the clock of pe_now_us() */
    size_t bytes;                 /* memory that it needs while it waits */
    bool watches;                 /* it wants to see what the job prints while it runs */
    struct job_input *input;      /* NULL, or the job takes input; such a job has no other waiter */
    const struct pe_trace *trace; /* NULL, or what the worker gets if the job runs for this waiter */
    uint64_t audit_client;        /* tells clients apart in audits; 0: a job of this waiter is not audited */

    struct job *job; /* NULL while it waits for none */
    struct pe_list in_job;
    bool joined; /* counted by the scheduler beside the job */
};

/* How a new job is made. */
struct job_request {
    struct job_waiter *waiter;
    const char *id;             /* of the request, 32 hexadecimal digits */
    const struct job_key *key;  /* valid if `share` or `keep` */
    const char *image_digest;   /* "sha256:…" */
    const char *image_identity; /* of the catalog entry that the key was made with; NULL: any */
    bool share;                 /* other requests may join, and the result store is asked first */
    bool keep;                  /* the result may be cached and stored */
};

/* What has arrived since the waiters were told. */
enum job_news { JOB_NEWS_OUTPUT = 1, JOB_NEWS_BYTES = 2 };

/* How one try of a job was lost. */
struct job_loss {
    uint64_t worker; /* serial number of the worker's claim; 0: unknown */
    bool of_vm;      /* the worker reported that the VM died; else the slot died */
};

struct job {
    struct jobs *jobs;
    LIST_ENTRY(job) in_all;
    char id[JOB_ID_SIZE]; /* that of the request, unless another job has it */
    struct job_key key;
    char digest[80];   /* of the image */
    char identity[65]; /* of its catalog entry; empty: any */
    bool shared;       /* in jobs->shared: requests for the same job join */
    bool keep;
    bool looking; /* the result store was asked and has not answered */

    struct pe_list waiters;
    struct job_waiter *source; /* one of `waiters`: the input is sent from its submission */
    struct queue_entry entry;
    uint64_t started_us;                   /* on the last slot */
    char host[256], owner[17];             /* the worker of that slot, and whose it is */
    unsigned returns;                      /* how often it was given back */
    unsigned lost;                         /* tries that were lost */
    struct job_loss losses[JOB_TRIES_MAX]; /* the first `lost` of them are set */
    char last_loss[200];                   /* why the last one was lost */
    struct loop_timer retry_timer;         /* between the loss of a slot and the next try */
    struct loop_timer news_timer;          /* while the waiters have not been told of `news` */
    unsigned news;                         /* of enum job_news */
    bool watched;                          /* one of the waiters watches, or did */
    struct live_output *live;              /* a reference; NULL: nothing was printed in this try */
    struct job_result *result;             /* a reference; NULL before the result's fields arrive */
    unsigned holds;                        /* calls that use the job: it is freed after the last one */
    struct job_walk *walks;                /* walks over `waiters` that are under way */
};

/* The job with this key that others may join and that demands the same isolation, or NULL. A job
 * with another demand may run, now or after the loss of a slot, where this one must not. */
struct job *job_find(struct jobs *jobs, const struct job_key *key, struct pe_isolation_set demand);

/* Start a new job for a waiter. PE_ERR_BUSY if the queue is full, PE_ERR_INTERNAL without
 * memory; the waiter then waits for nothing. */
int job_begin(struct jobs *jobs, const struct job_request *request, struct pe_error *err) PE_MUST_CHECK;

/* Start a job on a slot that would be idle, or not at all: it is never in the queue. It is not shared, and
 * its result is not kept. Its only waiter leaves when the job is lost or given back. Returns whether it has
 * started. */
bool job_begin_aside(struct jobs *jobs, const struct job_request *request, const struct idle_choice *choice);

/* Let a waiter wait for a job that exists. If the job runs already, on_start is called at once, and if
 * its result is known, on_result as well. PE_ERR_BUSY if the queue is full: the memory of the waiter
 * counts as well. */
int job_join(struct job *job, struct job_waiter *waiter, struct pe_error *err) PE_MUST_CHECK;

/* Stop waiting. Allowed at any time, also inside a callback, and if the waiter waits for
 * nothing. The last waiter that leaves ends the job: a job that runs is cancelled. */
void job_leave(struct job_waiter *waiter);

/* Delete the result of a job everywhere: in memory and in the result store. Jobs with this key that wait or
 * run go on, but their results are not kept. Returns false if the store could not be told. */
bool job_delete_result(struct jobs *jobs, const struct job_key *key);

/* The same for a client that wants nothing to be left: the observer is told as well. */
bool job_forget_result(struct jobs *jobs, const struct job_key *key);

/* ---- called by the slot that runs the job, in this order ---- */

/* The program has printed something. Fails like job_on_result(). */
int job_on_output(struct job *job, enum live_stream stream, const void *bytes, size_t size,
                  struct pe_error *err) PE_MUST_CHECK;

/* The program has taken bytes of its input. Fails like job_on_result(). */
int job_on_taken(struct job *job, size_t bytes, struct pe_error *err) PE_MUST_CHECK;

/* The result's fields and the sizes of its parts; `message->parts` is taken over. If it fails,
 * the worker has broken the protocol: the slot gives up and calls job_on_lost(). */
int job_on_result(struct job *job, struct pe_message *message, struct pe_error *err) PE_MUST_CHECK;

/* The next bytes of the result; fails like job_on_result(). */
int job_on_bytes(struct job *job, const void *bytes, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* The slot's last call is one of the following five. The slot must have forgotten the job
 * before, because the job may be freed inside the call. */

/* The result is complete. */
void job_on_end(struct job *job);

/* The worker refuses the job. */
void job_on_problem(struct job *job, const struct pe_problem *problem);

/* The slot is gone. `worker_serial` is the serial number of its worker's claim, 0 if it is unknown. */
void job_on_lost(struct job *job, uint64_t worker_serial, const char *why);

/* The slot is still there, but the VM that ran the job, or was to run it, is lost. That is no evidence
 * against the job: VMMs are killed, and hosts run out of memory. */
void job_on_vm_lost(struct job *job, uint64_t worker_serial, const char *why);

/* The slot took a job of another balancer instead. The job has not begun, and is given to the next slot. When
 * that has happened very often, the try counts as lost. `worker_serial` is as in job_on_lost(). */
void job_on_returned(struct job *job, uint64_t worker_serial);

/* ---- estimates (lb/core/job_wait.c) ---- */

/* A job has ended `us` after its start on a slot. For lb/core/job.c. */
void job_note_service_time(struct jobs *jobs, uint64_t us);

/* How long a job waits that has `before` others in front of it, judged by recent jobs;
 * microseconds. */
uint64_t job_wait_us(const struct jobs *jobs, size_t before);

/* How long one more job of this client would wait, microseconds. `client` may be NULL. */
uint64_t job_expected_wait_us(const struct jobs *jobs, const struct client_queue *client);

#endif
