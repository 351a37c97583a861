/* SPDX-License-Identifier: Apache-2.0 */
/* What a job tells its waiters (struct job_waiter_ops in lb/core/job.h). A waiter may leave the job, and be
 * freed, inside each of these calls. */
#ifndef PE_LB_CORE_JOB_REPORTS_H
#define PE_LB_CORE_JOB_REPORTS_H

#include "lb/core/job.h"

/* One report. `argument` is NULL where nothing else is said. */
typedef void job_report(struct job_waiter *waiter, const void *argument);

/* Report something to each waiter. Any waiter may leave inside any of the calls; the caller keeps the job. */
void job_report_each(struct job *job, job_report *report, const void *argument);
/* A waiter is about to leave the job: walks over the waiters that are under way pass it by. */
void job_report_skip(struct job *job, const struct job_waiter *waiter);

/* The job has started on a slot. */
void job_report_start(struct job_waiter *waiter, const void *argument);
/* It has printed something; only a waiter that watches hears of it. */
void job_report_output(struct job_waiter *waiter, const void *argument);
/* The result's fields are known. */
void job_report_result(struct job_waiter *waiter, const void *argument);
/* The result was found in the result store. */
void job_report_stored_result(struct job_waiter *waiter, const void *argument);
/* More bytes of the result have arrived. */
void job_report_progress(struct job_waiter *waiter, const void *argument);
/* The slot or its VM was lost. */
void job_report_lost(struct job_waiter *waiter, const void *argument);
/* The worker has given the job back. */
void job_report_returned(struct job_waiter *waiter, const void *argument);
/* There is no result; `problem` is a struct pe_problem. */
void job_report_problem(struct job_waiter *waiter, const void *problem);
/* The queue was full. */
void job_report_queue_full(struct job_waiter *waiter, const void *argument);
/* The job was given up after its last try. */
void job_report_given_up(struct job_waiter *waiter, const void *argument);

#endif
