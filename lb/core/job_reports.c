/* SPDX-License-Identifier: Apache-2.0 */
/* Each report is one call of a waiter's operations. Who is called, and in which order, is in lb/core/job.c.
 */
#include "lb/core/job_reports.h"

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
