/* SPDX-License-Identifier: Apache-2.0 */
/* The model's book of jobs. A group is what the balancer makes one job of: the requests that wait for
 * the same result. A run is one try of a group on a slot. Which requests the balancer has put together
 * is looked up in its own structures; whether that was right is decided here. */
#ifndef PE_TESTS_MODEL_BOOK_H
#define PE_TESTS_MODEL_BOOK_H

#include "lb/core/live_output.h"
#include "proto/slot.h"
#include "tests/model/hosts.h"
#include "tests/model/http_edge.h"
#include "tests/model/report.h"

enum run_state { RUN_ACTIVE, RUN_COMPLETE, RUN_LOST, RUN_CANCELED, RUN_REFUSED, RUN_RETURNED };

struct run {
    unsigned number;
    enum run_state state;
    struct group *group;
    struct slot_actor *slot; /* while it is active */
    struct work work;
    unsigned name, variant;
    const struct run *copied;           /* of a copy that gives the same answer: the run that it copies */
    bool is_deleted;                    /* its result was deleted, or perhaps that of other work */
    enum pe_isolation worker_isolation; /* of its worker, when it began */
    enum pe_isolation isolation;        /* that its result states */
    bool fits;                          /* the result states what the worker has */
    bool is_final;                      /* its status is that of a program that ended by itself */
    bool mismatch;                      /* it ran with another variant than its key may have been made with */
    uint64_t completion;                /* among all runs that have ended: a later one has a greater number */
    size_t sizes[LIVE_STREAMS];         /* bytes of its streams in its result */
    size_t live[LIVE_STREAMS];          /* bytes that were sent while it ran */
    bool lies;                          /* these are not the same */
    struct report *report;              /* owned: its stdout, if its job has stages; else NULL */
    struct report *live_report;         /* owned: what it sends while it runs, if that is another one */
    enum pe_status status;              /* of its result */
    bool has_result;                    /* which has begun to arrive */
    size_t input_sent, input_taken;     /* bytes that were typed while it ran */
    bool has_eof;                       /* and their end was sent */
    uint64_t signals_sent;              /* bits */
    uint64_t paced_us[64];              /* when each signal was sent last; [0]: the window */
};

enum group_state { GROUP_LOOKING, GROUP_QUEUED, GROUP_RUNNING, GROUP_RETRYING };

struct loss {
    uint64_t serial;
    bool of_vm;
};

struct group {
    unsigned number;
    char id[PE_ID_MAX + 1];
    const struct job *job; /* the balancer's, while there are members */
    unsigned members, members_max;
    const struct request *source;
    enum group_state state;
    struct work work;
    bool is_copy;    /* of a job that was audited: nobody waits for it, and its salt is not known */
    bool needs_live; /* its job is interactive */
    bool is_watched; /* a member wants to see its output, or did */
    struct pe_isolation_set demand;
    enum caching_mode caching;
    bool has_mismatch;   /* a run had, or may have had, another variant */
    unsigned variants;   /* bits: with which its key may have been made */
    bool may_be_joined;  /* unless that is impossible */
    bool must_be_joined; /* if that is certain */
    uint64_t since_us;   /* in this state */
    unsigned client;
    size_t bytes;
    int64_t order;       /* among the jobs of its client: smaller is earlier */
    unsigned overtaken;  /* by warm jobs, while it was the first one of its client */
    int passed[CLIENTS]; /* turns that other clients had while one of their slots would have fit */
    struct run *run;
    const struct run *last_run;
    uint64_t started_us, printed_us; /* when that was: the last time */
    struct loss losses[TRIES];
    unsigned lost;
    unsigned returns;   /* how often it was given back */
    unsigned deaths;    /* among them, when all tries were lost */
    struct job_key key; /* the balancer's, if it is made for this work */
    bool has_key;
    bool is_forgotten; /* a client had the result with this key deleted: the results of this group are not
                          kept */
    uint64_t
        deletion; /* the number of that deletion, behind which no request finds them; 0: they may be found */
};

/* Begin and end. */
void book_reset(void);
void book_free(void);
void losses_reset(void);

/* Remember that a group has lost a try. */
void book_add_loss(struct group *group, struct loss loss);

/* Compare what was lost and held back with the balancer's counters. */
void losses_check_counters(const struct metrics *metrics);

/* Look up who waits for what. Call it after every event. */
void book_sync(void);

/* A request has ended. */
void book_forget(struct request *request);

/* The groups that have members: calls `visit` for each. */
void book_each(void (*visit)(struct group *group, void *data), void *data);

/* The same for all groups that there were. */
void book_each_ever(void (*visit)(struct group *group, void *data), void *data);

/* The balancer sends a job to a slot. */
void book_on_job(struct slot_actor *slot, const struct pe_message *message);

/* A run ends in this state. For a run that is lost, `of_vm` says that only its VM was. Call it before the
 * balancer is told. */
void book_end_run(struct run *run, enum run_state state, bool of_vm);

/* Whether a copy may have been told to stop: a job needs its slot, or the balancer stops. */
bool book_must_yield(const struct run *run);

/* The balancer has found out that the result of this work is wrong. */
void book_on_wrong_result(const struct submission *submission);

/* A worker gives a run back before it has begun: its group waits again, before all others. Very often is a
 * loss. Call it before the balancer is told. */
void book_return_run(struct run *run);

/* The run with this number. */
const struct run *book_run(unsigned number);

/* The runs of a group: calls `visit` for each. */
void book_each_run(const struct group *group, void (*visit)(const struct run *run, void *data), void *data);

/* The balancer sends a result to the store. */
void book_on_put(const uint8_t key[32], const uint8_t *payload, size_t size);

/* How many of the tries that a group lost are deaths: of its VM or its slot, not of its worker. */
unsigned book_deaths(const struct group *group);

/* Whether a slot's worker can run the group's job. */
bool book_fits(const struct group *group, const struct slot_actor *slot);

/* All tries of a group were lost: remember whether it is held back. */
void book_conclude(struct group *group);

/* Whether work was held back at this time. `surely`: leave out what cannot be known, because several
 * workers have the image in different variants. */
bool book_holds(struct work work, unsigned variants, uint64_t at_us, bool surely);

/* The last complete run of this work whose result may be kept, or NULL. */
const struct run *book_find_kept(struct work work, unsigned variant);

enum { MARKER_SIZE = 16 }; /* bytes that begin and end stdout, and name the run (output.h) */

#endif
