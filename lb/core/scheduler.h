/* SPDX-License-Identifier: Apache-2.0 */
/* Which job goes to which slot: the workers and their images, the slots that are ready, and the
 * queue of jobs. This is a pure data structure without sockets, HTTP or a clock. workers.c has the part
 * of it that is about workers. Workers are allocated here; slots, queue entries and client queues are
 * embedded in their owners' structs, and the owner removes them before it frees them.
 *
 * Clients take turns. Each client has a queue of its own, and the next job comes from the client
 * whose last turn was longest ago. Within one client, jobs start in the order of arrival, with
 * two exceptions: a job that no ready slot can run does not block the jobs behind it, and a job
 * for which a warm VM is ready may overtake one that would need a new VM, a bounded number of
 * times. */
#ifndef PE_LB_CORE_SCHEDULER_H
#define PE_LB_CORE_SCHEDULER_H

#include "base/error.h"
#include "base/list.h"
#include "lb/core/catalog.h"
#include "proto/isolation.h"
#include "proto/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job;
struct slot;

enum { SCHEDULER_TRIES_MAX = 3 }; /* how often a job may be matched with a slot */

/* What one registration says about a worker. Several registrations can name the same worker: one
 * whose process returned before its old connection was found dead, or one that uses a foreign name. */
struct worker_claim {
    struct pe_list in_claims;
    const void *owner; /* the registration; NULL once it has left without a goodbye */
    char owner_id[17]; /* of the one who has the host's token (lb/edge/tokens.h); empty: no token */
    uint64_t serial;   /* unique for the life of this process */
    struct catalog catalog;
    enum pe_isolation isolation;
    size_t vms;    /* jobs that the worker runs at a time; further slots only prepare jobs */
    bool is_live;  /* its slots understand the messages of live jobs */
    bool trusted;  /* the operator trusts the host, and the registration has the host's own token */
    bool draining; /* the worker asked for no more jobs */
};

/* A worker whose registration is open, or that is away: its registration was lost, and is expected
 * back. An away worker keeps its images and its slots. */
struct worker {
    struct pe_list in_workers; /* the one that was used last comes first */
    struct pe_list ready;      /* its ready slots; the one that was used last comes first */
    char name[256];
    struct pe_list claims;      /* the oldest one first; never empty */
    struct worker_claim *claim; /* the one that counts: the oldest of those that do not drain */
    uint64_t away_until_us;     /* while it is away: when it is forgotten */
    size_t slots, running;      /* slots that are connected; jobs on them */
    size_t elsewhere;           /* slots that run jobs of other balancers */
    bool drained;               /* an operator asked for this worker to get no more jobs */
};

/* How a job reaches the machine that runs it. */
struct slot_ops {
    /* Send a job to a slot that it was matched with. From then on, the slot reports to the job
     * with job_on_...() (lb/core/job.h) until it has made one of the calls that end a job, or
     * until cancel() was called. */
    void (*start)(struct slot *slot, struct job *job);

    /* Nobody wants the job any more. The slot forgets the job at once and does not read its
     * input again. */
    void (*cancel)(struct slot *slot);

    /* The job of the slot is watched now, or has something for its program. The slot sends it when it
     * can; it may lose the job inside the call only from the event loop. */
    void (*serve)(struct slot *slot);

    /* Close the connection of a slot that runs nothing, and that the scheduler has forgotten. Its
     * worker connects again, to the process that listens then. */
    void (*dismiss)(struct slot *slot);
};

struct slot {
    const struct slot_ops *ops;
    struct pe_list in_slots;
    struct pe_list in_ready;   /* while ready: of its worker, or of the unassigned slots */
    char worker_name[256];     /* from its last `ready` */
    char warm[256];            /* image that its VM is warm for, or empty */
    bool is_live;              /* its worker understands the messages of live jobs */
    bool trusted;              /* its connection was admitted as that of a trusted host */
    bool is_elsewhere;         /* it runs a job of another balancer */
    struct worker *worker;     /* NULL while no worker of that name is known */
    struct queue_entry *entry; /* the job that runs on it */
};

/* The queue of one client. Zero-initialise it before the first job. It may be freed when it
 * holds no job. */
struct client_queue {
    struct pe_list in_turns; /* while it holds jobs */
    struct pe_list queue;
    size_t queued;
    unsigned overtaken; /* how often in a row its first job was overtaken by one with a warm VM */
};

/* A job's place in the queue or on a slot. */
struct queue_entry {
    struct pe_list in_queue; /* of its client, while it waits */
    struct client_queue *client;
    const char *image;                     /* reference; borrowed */
    struct pe_isolation_set isolation;     /* what the job demands of its host; zero: any will do */
    bool needs_live;                       /* only a slot that is live can run it */
    size_t bytes;                          /* memory that the job needs while it waits */
    uint64_t avoided[SCHEDULER_TRIES_MAX]; /* claims of workers that lost it; serial numbers */
    unsigned avoided_count;
    struct slot *slot;                           /* where it runs */
    void (*on_match)(struct queue_entry *entry); /* called by lb/core/dispatch.c when `slot` was found */
};

/* Which slot gets a job that is not in the queue. */
struct idle_choice {
    /* How well a worker fits: a greater value is better, and 0 is not at all. */
    unsigned (*rank)(const struct worker *worker, void *data);
    void *data;
    size_t idle_left; /* jobs that must be able to start beside this one, at once */
};

struct queue_limits {
    size_t jobs;  /* jobs that may wait, and requests that have joined a job or wait for workers */
    size_t bytes; /* bytes that they may need together */
};

struct scheduler {
    struct pe_list workers, slots;
    struct pe_list unassigned; /* ready slots whose worker is not registered */
    struct pe_list drained;    /* names of workers that an operator took out of service */
    struct pe_list turns;      /* clients with jobs in the queue; the next one is first */
    size_t drained_count;
    size_t known_count;  /* workers */
    size_t worker_count; /* those of them that are not away */
    size_t slot_count, queued_count, running_count;
    size_t ready_count; /* slots that wait for a job, without those in `unassigned` */
    size_t queued_bytes;
    size_t joined_count, joined_bytes; /* requests that wait for jobs of others or, after the start, for
                                          workers; and their memory */
    struct queue_limits limits;
    uint64_t serials;
    uint64_t catalog_serial;  /* changes whenever the images of any worker may have changed */
    size_t catalog_bytes_max; /* memory for the catalogs of all workers together */
};

/* Begin with no workers, slots and jobs. `limits` is copied. */
void scheduler_init(struct scheduler *scheduler, const struct queue_limits *limits);

/* Record what the registration `owner` says about a worker. While an older registration that does
 * not drain is open for the same name, the older one counts: nobody takes a worker out of service by
 * using its name. `hello->images` is borrowed; the catalog takes a reference. PE_ERR_BUSY if all
 * catalogs together would need too much memory; what was recorded before stays then. Without memory
 * PE_ERR_INTERNAL. */
int scheduler_worker_hello(struct scheduler *scheduler, const void *owner, const struct pe_hello *hello,
                           struct pe_error *err) PE_MUST_CHECK;

/* Whether the claim of this registration is the one that counts for its worker. */
bool scheduler_worker_counts(const struct scheduler *scheduler, const void *owner);

/* The registration `owner` has ended, and is not expected back. Its worker is forgotten unless another
 * registration is open for it. The slots stay, but get no jobs. */
void scheduler_worker_gone(struct scheduler *scheduler, const void *owner);

/* The connection of the registration `owner` was lost. Returns true if its worker is away now: it stays,
 * with its images and slots, until it returns or is forgotten after `until_us`, a time on the caller's
 * clock. False, as after scheduler_worker_gone(), if another registration is open for the worker, if it
 * was about to stop, or if too many workers are away. */
bool scheduler_worker_lost(struct scheduler *scheduler, const void *owner, uint64_t until_us);

/* Forget the workers that are away and whose time is over at `now_us`. Returns when the next one is
 * to be forgotten, or 0 if none is away any more. */
uint64_t scheduler_forget_away(struct scheduler *scheduler, uint64_t now_us);

/* Whether the registration of a worker was lost, and is expected back. */
bool scheduler_worker_is_away(const struct worker *worker);

/* The worker with this name, or NULL. */
struct worker *scheduler_find_worker(const struct scheduler *scheduler, const char *name);

/* Whether a worker could run the job, now or when one of its slots is ready. */
bool scheduler_worker_can_run(const struct worker *worker, const struct queue_entry *job);

/* Give a worker no more jobs, or jobs again. Running jobs are not affected. The setting is kept
 * while the worker is away. PE_ERR_NOT_FOUND if no worker of this name is registered or was
 * drained before; PE_ERR_BUSY if too many workers are drained; PE_ERR_INTERNAL without memory. */
int scheduler_drain(struct scheduler *scheduler, const char *name, bool drained,
                    struct pe_error *err) PE_MUST_CHECK;

/* Whether the claim with this serial number still counts: the worker was never away since. */
bool scheduler_worker_lives(const struct scheduler *scheduler, uint64_t serial);

/* Assign a slot to a worker, or to none. A ready slot moves to the list of ready slots of that
 * worker. For lb/core/scheduler.c. */
void scheduler_slot_assign(struct scheduler *scheduler, struct slot *slot, struct worker *worker);

/* Add a slot that is not ready. `slot->ops` must be set. */
void scheduler_slot_add(struct scheduler *scheduler, struct slot *slot);

/* The slot asks for a job. `worker` is the name of its worker, `warm` an image or empty. */
void scheduler_slot_ready(struct scheduler *scheduler, struct slot *slot, const char *worker,
                          const char *warm);

/* The slot takes a job of another balancer: it is not ready until it asks again. */
void scheduler_slot_withdraw(struct scheduler *scheduler, struct slot *slot);

/* Whether a slot is one of a host that the operator trusts: the slot itself, and what its worker claims. */
bool scheduler_slot_is_trusted(const struct slot *slot);

/* Remove a slot. If a job runs on it, the two are separated; the owner of the job submits it
 * again. */
void scheduler_slot_remove(struct scheduler *scheduler, struct slot *slot);

/* The entry of the first worker that has the image and an isolation that `demand` accepts; NULL if
 * there is no such worker. Valid until that worker says something new. */
const struct catalog_entry *scheduler_find_image(const struct scheduler *scheduler, const char *image,
                                                 struct pe_isolation_set demand);

/* Whether a worker that has the image and an isolation that `demand` accepts runs live jobs. */
bool scheduler_has_live(const struct scheduler *scheduler, const char *image, struct pe_isolation_set demand);

/* The kinds of isolation of the workers that have the image; empty if no worker has it. */
struct pe_isolation_set scheduler_isolations(const struct scheduler *scheduler, const char *image);

/* How many slots run jobs of other balancers. */
size_t scheduler_slots_elsewhere(const struct scheduler *scheduler);

/* Whether the queue has room for one more entry. */
bool scheduler_has_room(const struct scheduler *scheduler, const struct queue_entry *entry);

/* Put a job at the end of its client's queue. With `front`, put it before all other jobs: it
 * waited before and lost its slot, or was given back. PE_ERR_BUSY if the queue is full and no ready slot
 * could run this job; with `front` there is always room. */
int scheduler_submit(struct scheduler *scheduler, struct queue_entry *entry, bool front,
                     struct pe_error *err) PE_MUST_CHECK;

/* Count a request that joins a job of another one, which may run already, or that waits for workers to
 * connect. It takes up the same room as a job in the queue. PE_ERR_BUSY if there is none. */
int scheduler_joined_add(struct scheduler *scheduler, size_t bytes, struct pe_error *err) PE_MUST_CHECK;

/* Stop counting such a request. */
void scheduler_joined_remove(struct scheduler *scheduler, size_t bytes);

/* Remove a job from the queue, or from its slot. */
void scheduler_entry_remove(struct scheduler *scheduler, struct queue_entry *entry);

/* How many jobs would start before a new job of this client, at most: the client's own jobs, and
 * as many of each other client. `client` NULL stands for a client without jobs. */
size_t scheduler_jobs_ahead(const struct scheduler *scheduler, const struct client_queue *client);

/* How many jobs would start before this job, which waits. This is a snapshot: clients whose turn
 * comes first may still send jobs, and jobs with a warm VM may overtake. */
size_t scheduler_jobs_before(const struct scheduler *scheduler, const struct queue_entry *entry);

/* How many jobs the registered workers run at a time. */
size_t scheduler_capacity(const struct scheduler *scheduler);

/* Whether a worker that the job need not avoid could run it, now or when one of its slots is ready. */
bool scheduler_has_other_worker(const struct scheduler *scheduler, const struct queue_entry *entry);

/* Give an entry that is not in the queue a ready slot of the best worker that can run it and has a VM free.
 * Its `slot` is set. Returns false, and changes nothing, if there is none. For work that can wait: nothing in
 * the queue is looked at. */
bool scheduler_take_idle(struct scheduler *scheduler, struct queue_entry *entry,
                         const struct idle_choice *choice);

/* Find the next job that a ready slot can run, whose worker has the image and an isolation that the
 * job accepts, and take it out of the queue; its `slot` is set.
 * A slot whose worker has a VM free is preferred to one whose worker is busy, then a slot that
 * is warm for the image, then a slot of the worker that was used last. A worker that a
 * job avoids gets it only if there is no other one that could run it. NULL if no job can start. */
struct queue_entry *scheduler_match(struct scheduler *scheduler);

#endif
