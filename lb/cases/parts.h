/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs that run a request with stages: one, or several that share its cases. Each is an ordinary job of
 * the scheduler, with a key of its own: it may be shared with others, answered from the cache, and run again
 * when its slot is lost. Each runs all stages before its cases.
 *
 * Jobs only note what has happened; the owner hears of it at the end of the iteration of the loop, outside of
 * all calls of jobs, and may free everything then.
 *
 * parts.c    the jobs
 * reports.c  what they report (reports.h)
 * merge.c    one result from all of theirs */
#ifndef PE_LB_CASES_PARTS_H
#define PE_LB_CASES_PARTS_H

#include "lb/cases/outcome.h"
#include "lb/cases/request.h"
#include "lb/core/job.h"
#include "lb/core/request_trace.h"

struct case_parts;

/* What the owner is told. It may free the parts inside of all of them but on_running, on_outcome and
 * on_ended. */
struct case_parts_ops {
    /* Some part is on a slot, while none was before; or the other way round. */
    void (*on_running)(struct case_parts *parts, bool is_running);

    /* A stage (the first ones) or a case has ended, or did not run: each is reported once, as early as it is
     * known. `job` is how its job ended, which decides what a run is that had not ended. The final result may
     * say something else, if the slot was lost. */
    void (*on_outcome)(struct case_parts *parts, bool is_case, size_t index,
                       const struct case_outcome *outcome, enum pe_status job);

    /* All parts have ended, and nobody is waited for any more: what is left is to read what they report. May
     * be called several times. */
    void (*on_ended)(struct case_parts *parts);

    /* The last call is one of these four. All parts have ended, or need not run any more. `result` is that of
     * all of them, and is borrowed; NULL: it could not be made, as `err` says. */
    void (*on_done)(struct case_parts *parts, struct job_result *result, const struct pe_error *err);
    void (*on_problem)(struct case_parts *parts, const struct pe_problem *problem);
    void (*on_queue_full)(struct case_parts *parts);
    void (*on_given_up)(struct case_parts *parts, unsigned tries);
};

/* How a part was on its last slot, for its trace. */
struct case_part_run {
    char worker[256];
    uint64_t started_us, finished_us; /* 0: it was on none; its result is not complete */
    uint64_t phase_us[PE_PHASES];
    bool is_own; /* the job ran for this request, and not for one that it has joined */
};

struct case_part {
    struct case_parts *parts;
    struct submission job;
    struct job_waiter waiter;
    struct job_key key;
    size_t first, count;       /* cases */
    struct job_result *result; /* a reference; NULL: its fields are not known */
    bool is_running, is_done;  /* done: the result is complete, or not wanted any more */
    uint64_t started_us;       /* while it runs: since when */
    bool is_read, is_cached;
    bool is_unreadable; /* its report was not one */
    size_t position;    /* bytes of its report that were read: while it runs, or while `is_reading` */
    bool is_reading;    /* the report has arrived, and some of it was read */
    struct case_collector collector;
    size_t collector_holds; /* bytes of the budget that it uses */
    struct case_part_run run;
};

/* Why there is no result. */
enum case_parts_failure { CASE_NO_FAILURE, CASE_PROBLEM, CASE_QUEUE_FULL, CASE_GIVEN_UP };

struct case_parts {
    const struct case_parts_ops *ops; /* set by the owner */
    const struct case_request *request;
    struct loop *loop;          /* NULL before the start */
    struct jobs *jobs;          /* likewise */
    struct byte_budget *budget; /* that of results; likewise */
    size_t holds;               /* bytes of it that `stages` and `cases` use */
    struct loop_timer timer;
    struct pe_list in_line;   /* of those that read and write long reports */
    struct case_merge *merge; /* owned; NULL: not all reports were read */
    bool is_waiting_for_timer, is_running;
    struct case_part *items; /* owned; their number is that of the slots */
    size_t count;
    struct case_outcome stages[CASE_STAGES_MAX];
    enum pe_status stage_jobs[CASE_STAGES_MAX]; /* how the job has ended that ran each of them */
    struct case_outcome *cases;                 /* owned; one for each case */
    bool stage_was_told[CASE_STAGES_MAX];
    bool *case_was_told;
    enum case_parts_failure failure;
    struct pe_problem problem;
    unsigned tries;
    unsigned lost;    /* tries of all parts whose slot or VM was lost */
    uint64_t used_us; /* CPU time of parts that have ended, and the time on slots of those that were lost or
                         left; not of parts that another request pays for */
};

/* Divide a request, and make the plan of each part. `request` and `source`, its submission, must outlive
 * `parts`. Fails like case_plan_make(), and without memory with PE_ERR_INTERNAL. The caller frees `parts`,
 * which is zeroed first, also after a failure. */
int case_parts_make(struct case_parts *parts, const struct case_request *request,
                    const struct submission *source, struct pe_error *err) PE_MUST_CHECK;

/* How parts are started. The texts are borrowed for the call, the other pointers must outlive the parts. */
struct case_start {
    struct jobs *jobs;
    struct client_queue *client;
    struct pe_cursor salt;        /* as in struct submission; must outlive the parts */
    const struct pe_trace *trace; /* of struct job_waiter */
    uint64_t arrived_us;
    size_t bytes;         /* memory of the request, besides the plans */
    const char *id;       /* of the request */
    const char *digest;   /* of the image */
    const char *identity; /* of its catalog entry */
    bool share, keep;     /* as in struct job_request; with `share`, stored results are used */
    bool watches;         /* on_outcome is wanted while a part runs */
};

/* Start all parts, or find their results. PE_ERR_BUSY if the queue is full, PE_ERR_INTERNAL without memory.
 * After a failure, no part is waited for. */
int case_parts_start(struct case_parts *parts, const struct case_start *start,
                     struct pe_error *err) PE_MUST_CHECK;

/* A job of a part that waits or runs, or NULL. */
const struct job *case_parts_job(const struct case_parts *parts);

/* How a part was on a slot. False if it was on none. `record` points into the part. */
bool case_part_slot(const struct case_part *part, struct slot_record *record);

/* Stop waiting for all parts: those that run are canceled. */
void case_parts_leave(struct case_parts *parts);

/* Free what `parts` owns, and zero it. */
void case_parts_free(struct case_parts *parts);

/* ---- merge.c ---- */

/* Go on making one result for all parts, which have ended: status, usage and files, with the members of
 * stages and cases. Verdicts are those of a run in which the cases come one after the other, also if they
 * were spread. If the budget of results has no room for the output of stages and cases, it is cut, and marked
 * as such. About `*work` bytes are read or written, by which it is reduced; a hash of an output is not
 * divided. Returns 1 if it is made: `result` is a reference of the caller then, and the parts have no results
 * and outcomes any more. Returns 0 if something is left to do. PE_ERR_INTERNAL without memory. */
int case_parts_merge(struct case_parts *parts, size_t *work, struct job_result **result,
                     struct pe_error *err) PE_MUST_CHECK;

/* Free what the reports said and what case_parts_merge() has made so far, and drop the results. */
void case_parts_forget(struct case_parts *parts);

/* Whether all results came from the cache, also after they were merged. */
bool case_parts_are_cached(const struct case_parts *parts);

#endif
