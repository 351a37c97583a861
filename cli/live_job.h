/* SPDX-License-Identifier: Apache-2.0 */
/* A job that is under way, as its events tell it: its output is printed as it arrives, its files are kept
 * until the result is there. Where the events come from is known to event_stream.h (POST /v1/run) and
 * interactive.h (GET /v1/connect). */
#ifndef PE_CLI_LIVE_JOB_H
#define PE_CLI_LIVE_JOB_H

#include "base/error.h"
#include "cli/case_report.h"
#include "cli/event.h"
#include "cli/progress.h"
#include "cli/response.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Files whose bytes a response points to. */
struct live_files {
    struct event *items; /* owned */
    size_t count;
    uint64_t bytes;
};

struct live_job {
    bool is_combined;          /* print both streams as one when the job has ended, not each as it arrives */
    struct progress *progress; /* is cleared before output; the caller's */
    struct case_report *cases; /* gets the events of stages and cases; the caller's. NULL, as after
                                  live_job_init: there are none */

    bool has_started, has_ended; /* ended: with a result, or with `problem` */
    uint64_t input_window;       /* bytes of input that may be under way; 0: not interactive */
    uint64_t input_taken;        /* bytes of input that the program has taken, since the start */
    struct response response;    /* complete when the job has ended without a problem, but without the
                                    bytes of the output, only with their number */
    struct live_files files;     /* what `response` points to */
    bool was_refused;            /* it ended with a problem; `refusal` says which one */
    struct pe_error refusal;

    struct event printing; /* whose bytes are being printed */
    size_t printed;        /* how many of them have been */
    int fd;                /* to which they are printed; -1: nothing is being printed */
    bool has_printed;      /* any output, since the start or since the last event `restarted` */
    bool is_closed[3];     /* by descriptor: nobody reads there any more, so output to it is dropped */
};

/* Prepare. The caller frees `job` with live_job_free. */
void live_job_init(struct live_job *job, bool is_combined, struct progress *progress);

/* Take one event. While one is being printed, none may be taken. PE_ERR_MALFORMED for a broken event, for
 * one behind the end of the job, and for more output files than a job can have. */
int live_job_take(struct live_job *job, const void *text, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* True while output waits to be written to `job->fd`. */
bool live_job_is_printing(const struct live_job *job);

/* Write as much of it as is possible without waiting. PE_ERR_INTERNAL if the output cannot be written. A
 * closed pipe is not an error. */
int live_job_print(struct live_job *job, struct pe_error *err) PE_MUST_CHECK;

/* Check how the job ended: 0 if `response` is complete. Otherwise the error of the problem that it ended
 * with, or PE_ERR_LOST if it has not ended. */
int live_job_check_end(const struct live_job *job, struct pe_error *err) PE_MUST_CHECK;

/* Free what `job` owns. */
void live_job_free(struct live_job *job);
#define autolivejob __attribute__((cleanup(live_job_free)))

#endif
