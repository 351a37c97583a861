/* SPDX-License-Identifier: Apache-2.0 */
/* Audits: a sample of jobs is run again on other hosts, and the results are compared. The client has its
 * answer by then. A copy of a job is never in the queue: it starts on a slot that would be idle, while
 * another one stays idle, and gives the slot up as soon as a job waits. Copies are bounded in number and
 * bytes; of results, only digests are kept.
 *
 * Not audited are jobs whose results may not be kept, jobs with input, and jobs of stages. */
#ifndef PE_LB_CORE_AUDIT_H
#define PE_LB_CORE_AUDIT_H

#include "base/list.h"
#include "lb/core/audit_verdict.h"
#include "lb/core/job.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    AUDITS_MAX = 32,         /* jobs whose audits are under way */
    AUDITS_RUNNING_MAX = 2,  /* copies on slots at a time */
    AUDIT_SUSPECTS_MAX = 64, /* hosts that are remembered */
    AUDIT_CLIENTS_MAX = 16,  /* of one suspect */
};

/* What became of an audit. */
enum audit_outcome {
    AUDIT_IS_SAME,
    AUDIT_IS_UNSTABLE,
    AUDIT_IS_SUSPICIOUS,
    AUDIT_IS_UNDECIDED,
    AUDIT_IS_ABANDONED, /* no slot was idle for it in time, its host has gone, or its result was deleted */
    AUDIT_OUTCOMES
};
/* Their names in the metrics. */
extern const char *const audit_outcome_names[AUDIT_OUTCOMES];

/* A host whose results differed. */
struct audit_suspect {
    char host[256];
    uint64_t differences;                /* that were confirmed */
    uint64_t clients[AUDIT_CLIENTS_MAX]; /* whose jobs they were */
    unsigned client_count;
    uint64_t last_us; /* on the clock of pe_now_us() */
};

struct audit_settings {
    double share;         /* of jobs that are audited, 0..1; 0: none */
    unsigned drain_after; /* drain a host whose results differed for so many clients; 0: never */
    unsigned
        again_ms; /* a host is asked again after so long: then a program that prints the minute differs */
};

struct audit {
    struct job_observer observer;
    struct jobs *jobs;
    struct audit_settings settings;
    struct pe_list copies; /* of jobs */
    size_t count, running;
    size_t bytes; /* of all copies */
    bool is_stopped;
    struct loop_timer timer; /* until a step can be taken */
    unsigned wake_ms;        /* with which it was started; 0: it does not run */
    uint64_t round_us;       /* when the audits that wait are looked at again */
    uint64_t outcomes[AUDIT_OUTCOMES];
    struct audit_suspect suspects[AUDIT_SUSPECTS_MAX];
    size_t suspect_count;

    /* The result of this job turned out to be wrong, and is about to be deleted. NULL: nobody wants to know.
     */
    void (*on_wrong_result)(const struct submission *submission);
};

/* Begin, as the observer of `jobs`, and called by its dispatch. `jobs` must outlive `audit`, which must stay
 * where it is. A job that the client has deleted is audited no more. */
void audit_init(struct audit *audit, struct jobs *jobs, const struct audit_settings *settings);

/* How many differences of a host were confirmed since the last audit_clear(). */
uint64_t audit_differences(const struct audit *audit, const char *host);

/* An operator has put the host back into service: forget its differences. */
void audit_clear(struct audit *audit, const char *host);

/* Drop all copies, and take no more. */
void audit_stop(struct audit *audit);

#endif
