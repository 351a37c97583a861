/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the reports of the jobs that run a request with stages: while they run, and as a whole when they
 * have ended. What reports say is counted with the results, since it is as large. */
#ifndef PE_LB_CASES_REPORTS_H
#define PE_LB_CASES_REPORTS_H

#include "lb/cases/parts.h"

/* Set the bytes of the budget that are counted in `holds`, before the start not at all. */
void case_parts_hold(struct case_parts *parts, size_t *holds, size_t bytes);

/* Read bytes of a report while its part runs, and tell the owner which runs have ended. */
void case_report_hear(struct case_part *part, struct pe_cursor bytes);

/* Read the next bytes of the report of a part whose result is complete, at most `*work`, which is reduced by
 * them. The runs that have ended are told and kept. Returns true when the report was read to its end. */
bool case_report_read(struct case_part *part, size_t *work);

/* Free what a report has said about a run that has not ended. */
void case_report_forget(struct case_part *part);

/* Whether a case of the part, or a stage in front of them, is not right. The report must have been read.
 * Without memory it is taken for right: the verdicts of the result are made later. */
bool case_report_has_failure(const struct case_part *part);

/* Tell the owner what no report has: stages and cases that did not run. */
void case_parts_tell_rest(struct case_parts *parts);

#endif
