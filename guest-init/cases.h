/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of stages and cases in a file (proto/stage_plan.h). */
#ifndef PE_GUEST_INIT_CASES_H
#define PE_GUEST_INIT_CASES_H

#include <stdbool.h>

/* True if the arguments of a program request such a plan. */
bool cases_are_requested(char *const *arguments);

/* Carry out the plan, which is standard input, with the environment of this process and in its working
 * directory, and write the report to standard output. Returns the exit code for this process: 0 if the report
 * is complete, also if programs have failed. */
int cases_run(void);

#endif
