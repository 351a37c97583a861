/* SPDX-License-Identifier: Apache-2.0 */
/* What came of the stages and cases of a job (docs/cases.md), as its events tell it. case_table.h prints it.
 */
#ifndef PE_CLI_CASE_REPORT_H
#define PE_CLI_CASE_REPORT_H

#include "base/buffer.h"
#include "base/error.h"
#include "cli/case_compare.h"
#include "cli/files.h"
#include "proto/stages.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CASE_VERDICT_SIZE 24 /* bytes of a verdict or status, with the NUL */

/* A stage or a case. The texts come from a server and are made printable. */
struct case_row {
    bool is_known; /* its event has arrived */
    char name[PE_STAGE_NAME_MAX + 1];
    char verdict[CASE_VERDICT_SIZE]; /* or the status of a stage that has no verdict */
    bool is_good;                    /* right, or a stage that succeeded */
    bool has_run;                    /* what follows is set */
    double wall_ms, cpu_ms;
    json_int_t memory_kib;
    int exit_code, signal;     /* -1, 0: none */
    char note[CASE_NOTE_SIZE]; /* how the output is wrong, if that is known; or "" */
};

struct case_report {
    json_t *job;                     /* owned; NULL: the job has no stages */
    const struct input_files *files; /* the caller's */
    struct case_row *stages;         /* those that run once; owned */
    struct case_row *cases;          /* owned */
    size_t stage_count, case_count;
    size_t done, right; /* cases that have arrived, and those of them that are right */
    /* Of the stage that failed or, without cases, of the last one; owned. */
    struct pe_buf output, error_output;
};

/* Prepare for a job that has stages: its JSON text, and its files, which must outlive the report. The caller
 * frees `report`, also after a failure. PE_ERR_INTERNAL without memory. */
int case_report_init(struct case_report *report, const char *job, const struct input_files *files,
                     struct pe_error *err) PE_MUST_CHECK;

/* Take an event `stage` or `case` (`is_case`). PE_ERR_MALFORMED for a broken one, and for one that was there
 * already; PE_ERR_INTERNAL without memory. */
int case_report_take(struct case_report *report, bool is_case, const json_t *event,
                     struct pe_error *err) PE_MUST_CHECK;

/* Free what it owns. The struct is zero then. */
void case_report_free(struct case_report *report);

#endif
