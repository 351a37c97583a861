/* SPDX-License-Identifier: Apache-2.0 */
/* Each report is one call of a waiter's operations. What is reported when is in lb/core/job.c. */
#include "lb/core/job_reports.h"

/* ---- walking over the waiters ---- */

/* A walk that is under way. It remembers the next waiter, and moves on when that one leaves. */
struct job_walk {
    struct job_walk *outer;
    struct pe_list *next;
};

void job_report_each(struct job *job, job_report *report, const void *argument)
{
    struct job_walk walk = {.outer = job->walks, .next = job->waiters.next};
    job->walks = &walk;
    while (walk.next != &job->waiters) {
        struct job_waiter *waiter = pe_list_entry(walk.next, struct job_waiter, in_job);
        walk.next = walk.next->next;
        report(waiter, argument);
    }
    job->walks = walk.outer;
}

void job_report_skip(struct job *job, const struct job_waiter *waiter)
{
    for (struct job_walk *walk = job->walks; walk; walk = walk->outer)
        if (walk->next == &waiter->in_job)
            walk->next = waiter->in_job.next;
}

/* ---- reports ---- */

void job_report_start(struct job_waiter *waiter, const void *argument)
{
    (void)argument;
    waiter->ops->on_start(waiter);
}

void job_report_output(struct job_waiter *waiter, const void *argument)
{
    (void)argument;
    if (waiter->watches)
        waiter->ops->on_output(waiter);
}

void job_report_result(struct job_waiter *waiter, const void *argument)
{
    (void)argument;
    waiter->ops->on_result(waiter, waiter->job->result, false);
}

void job_report_stored_result(struct job_waiter *waiter, const void *argument)
{
    (void)argument;
    waiter->ops->on_result(waiter, waiter->job->result, true);
}

void job_report_progress(struct job_waiter *waiter, const void *argument)
{
    (void)argument;
    waiter->ops->on_progress(waiter);
}

void job_report_lost(struct job_waiter *waiter, const void *argument)
{
    (void)argument;
    waiter->ops->on_lost(waiter);
}

void job_report_returned(struct job_waiter *waiter, const void *argument)
{
    (void)argument;
    waiter->ops->on_returned(waiter);
}

void job_report_problem(struct job_waiter *waiter, const void *problem)
{
    waiter->ops->on_problem(waiter, problem);
}

void job_report_queue_full(struct job_waiter *waiter, const void *argument)
{
    (void)argument;
    waiter->ops->on_queue_full(waiter);
}

void job_report_given_up(struct job_waiter *waiter, const void *argument)
{
    (void)argument;
    waiter->ops->on_given_up(waiter, waiter->job->lost);
}
