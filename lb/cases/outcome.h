/* SPDX-License-Identifier: Apache-2.0 */
/* How one stage or one case has ended: what the guest reports, what follows from it, and its form in JSON.
 * The guest cannot know the expected output of a comparison, so the verdict is decided here.
 *
 * outcome.c       status, verdict and JSON
 * collector.c     outcomes from the bytes of a report, as they arrive */
#ifndef PE_LB_CASES_OUTCOME_H
#define PE_LB_CASES_OUTCOME_H

#include "codec/json_pieces.h"
#include "lb/cases/request.h"
#include "proto/result.h"
#include "proto/stage_report.h"

enum case_status {
    CASE_OK,     /* it exited with the code that was expected */
    CASE_FAILED, /* it exited with another code */
    CASE_TIMEOUT,
    CASE_CPU_LIMIT,
    CASE_OOM,
    CASE_OUTPUT_LIMIT,
    CASE_SIGNALED,
    CASE_SKIPPED, /* it did not run: a stage that it needs failed, or it comes behind the first failure */
    CASE_CANNOT_START, /* the program does not exist, or cannot be executed */
    CASE_INTERRUPTED,  /* the job ended while it ran, other than by its time limit */
    CASE_STATUSES
};

/* What is decided about a run with the status CASE_OK; the others have their status as verdict. */
enum case_verdict { CASE_RIGHT = CASE_STATUSES, CASE_WRONG, CASE_CHECKER_FAILED, CASE_VERDICTS };

/* The name of a status or verdict in JSON. */
const char *case_verdict_name(int verdict);

/* What the report says about one run. Zero-initialised, it says nothing: the run did not begin. */
struct case_outcome {
    bool has_run, has_check;
    struct pe_stage_report run, check; /* owned */
};

/* Free the output. The struct is zero then. */
void case_outcome_free(struct case_outcome *outcome);

/* Bytes of memory that the output of a run and of its checker needs. */
size_t case_outcome_bytes(const struct case_outcome *outcome);

/* Drop the output of a run that was judged, and of its checker, and count it as cut. */
void case_outcome_drop_output(struct case_outcome *outcome);

/* The same before it was judged. What the run is judged by stays: if its
 * output is compared, its hash. PE_ERR_INTERNAL without memory. */
int case_outcome_cut(struct case_outcome *outcome, const struct case_run *wanted,
                     struct pe_error *err) PE_MUST_CHECK;

/* How a run ended. `job` is the status of the whole job, which may have ended before the run did. */
enum case_status case_outcome_status(const struct case_outcome *outcome, const struct case_run *wanted,
                                     enum pe_status job);

/* Whether the request expects something of a run besides that it exits with 0. */
bool case_run_is_judged(const struct case_run *run);

/* Decide about a run: an enum case_status or enum case_verdict. PE_ERR_INTERNAL (-1) without memory. */
int case_outcome_judge(const struct case_outcome *outcome, const struct case_run *wanted, enum pe_status job,
                       struct pe_error *err) PE_MUST_CHECK;

/* Append the members of a run: its name, how it ended, its output and what it used. `verdict` is of
 * case_outcome_judge(), or below 0 if nothing was decided about it. `writer` writes to the text of `pieces`,
 * which borrow the output. */
void case_outcome_append(const struct case_outcome *outcome, const struct case_run *wanted,
                         enum pe_status job, int verdict, struct pe_json_pieces *pieces,
                         struct pe_json_writer *writer);

/* ---- collector.c ---- */

/* Reads a report as it arrives. Zero-initialise it, and set `on_outcome` and `data`. */
struct case_collector {
    /* A run has ended, and so has its checker, if it has one. The callee takes over the outcome. */
    void (*on_outcome)(void *data, struct case_outcome *outcome);
    void *data;

    struct pe_report_reader reader;
    struct case_outcome pending; /* its checker may follow */
};

/* Read more bytes of the report. PE_ERR_MALFORMED if they are not a report, PE_ERR_INTERNAL without memory;
 * nothing more can be read then. */
int case_collector_add(struct case_collector *collector, struct pe_cursor bytes,
                       struct pe_error *err) PE_MUST_CHECK;

/* The report has ended, perhaps in the middle of a run. PE_ERR_INTERNAL without memory. */
int case_collector_end(struct case_collector *collector, struct pe_error *err) PE_MUST_CHECK;

/* Bytes of memory that it needs for what was not handed over. */
size_t case_collector_bytes(const struct case_collector *collector);

/* Free what was not handed over, and zero it. */
void case_collector_free(struct case_collector *collector);

#endif
