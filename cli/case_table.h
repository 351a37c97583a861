/* SPDX-License-Identifier: Apache-2.0 */
/* A table of the stages and cases of a job, for people. */
#ifndef PE_CLI_CASE_TABLE_H
#define PE_CLI_CASE_TABLE_H

#include "cli/case_report.h"

#include <stdbool.h>
#include <stdio.h>

/* Write a line for each stage and case: name, verdict, times, peak memory and how it exited, below it how its
 * output is wrong, and at the end one sentence about all of them. `has_colours`: verdicts have colours, for a
 * terminal. Errors of `out` are left to the caller. */
void case_table_write(const struct case_report *report, bool has_colours, FILE *out);

#endif
