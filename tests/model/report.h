/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs with stages and cases (docs/cases.md): what they consist of, what a worker reports about a run of one,
 * properly or not, and what must be told about each stage and case then. */
#ifndef PE_TESTS_MODEL_REPORT_H
#define PE_TESTS_MODEL_REPORT_H

#include "base/buffer.h"
#include "proto/result.h"
#include "proto/stages.h"
#include "tests/model/world.h"

enum {
    PLANS_OF_CASES = 9,                /* kinds of jobs with stages, by POST /v1/run; 0: a job without them */
    PLAN_INTERPRETED = PLANS_OF_CASES, /* jobs of Piston */
    PLAN_COMPILED,
    PLANS,
    PLAN_STAGES_MAX = 2,
    PLAN_CASES_MAX = 4,
    PARTS_MAX = 3,
    RECORDS_MAX = 16,
};

/* What a job with stages has. */
struct plan {
    unsigned once;                      /* stages that run once */
    unsigned cases;                     /* on which one more stage runs */
    bool stops;                         /* behind the first failure, no case runs */
    unsigned parts;                     /* jobs over which the cases are spread */
    bool has_checker;                   /* a checker decides about the last stage, or each case */
    const char *names[PLAN_STAGES_MAX]; /* of its stages */
    const char *text;                   /* its members in a job, with a # in the place of the payload */
};
extern const struct plan plans[PLANS];

/* The number of jobs over which a job with this plan is spread. */
static inline unsigned plan_parts(unsigned plan)
{
    return plans[plan].parts ? plans[plan].parts : 1;
}

/* The first case of one of them: its last one is in front of the first one of the next. */
static inline unsigned plan_first_case(unsigned plan, unsigned part)
{
    return plans[plan].cases * part / plan_parts(plan);
}

/* The job that runs a case. */
static inline unsigned plan_part_of(unsigned plan, unsigned index)
{
    unsigned part = 0;
    while (part + 1 < plan_parts(plan) && index >= plan_first_case(plan, part + 1))
        part++;
    return part;
}

/* How a program has ended. */
struct ending {
    enum pe_stage_end end;
    bool is_unended; /* the report ends in it */
    unsigned code, signal, oom_kills;
};

/* What a report says about one run of a stage or case. */
struct record {
    bool is_case;
    unsigned index; /* which may not exist */
    struct ending ending;
    bool is_right;       /* it prints what is expected */
    bool is_checked;     /* a checker decides about it */
    unsigned checks;     /* checkers that follow; a second one cannot be read */
    struct ending check; /* of the first one */
    size_t padding;      /* bytes behind what it prints */
    size_t end_at;       /* of the report: where it has ended, with its checkers */
};

struct report {
    const struct plan *plan;
    unsigned first_case, cases; /* that its job has to run */
    struct record records[RECORDS_MAX];
    unsigned count;
    unsigned valid; /* the first ones, in front of what cannot be read */
    bool is_broken; /* something cannot be read */
    bool is_plain;  /* it can be read, and says something about each stage and case once at most */
    bool is_live;   /* it is what a guest that lies sends while it runs */
    struct pe_buf bytes;
};

/* Make up a report for a run of this number. The caller frees it. */
struct report *report_make(struct work work, unsigned run, bool is_live);
void report_free(struct report *report);

/* What is decided about a stage or a case: the words of docs/cases.md. */
struct told {
    bool is_told;
    const char *status, *verdict;
};

/* What must be told about one stage or case, if this is what the report says about it; NULL: nothing. `job`
 * is how the job has ended. */
struct told report_outcome(const struct record *record, enum pe_status job);

/* The word for how the checker of a record has ended. */
const char *report_check_status(const struct record *record, enum pe_status job);

/* The first record about a stage or case that can be read, behind `after` if that is not NULL; or NULL. */
const struct record *report_find(const struct report *report, const struct record *after, bool is_case,
                                 unsigned index);

/* The record that is marked by this text in its stderr, if it is one of this report; or NULL. */
const struct record *report_find_marked(const struct report *report, unsigned run, const char *text);

#endif
