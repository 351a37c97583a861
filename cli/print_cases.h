/* SPDX-License-Identifier: Apache-2.0 */
/* Printing what came of the stages and cases of a job. */
#ifndef PE_CLI_PRINT_CASES_H
#define PE_CLI_PRINT_CASES_H

#include "base/error.h"
#include "cli/case_report.h"

/* Write the table to stdout, with colours if that is a terminal, and the output of a stage that failed to
 * stderr. Without cases the output of the last stage is what the user wants: it is written as that of a
 * program without stages, and the table to stderr. A closed pipe is not an error; PE_ERR_INTERNAL if a stream
 * cannot be written otherwise, or without memory. */
int print_cases(const struct case_report *report, struct pe_error *err) PE_MUST_CHECK;

#endif
