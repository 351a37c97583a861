/* SPDX-License-Identifier: Apache-2.0 */
/* From what a client wants to an ordinary job: its program is pe-shim, and one of its files is the plan that
 * pe-shim carries out (proto/stage_plan.h). */
#ifndef PE_LB_CASES_PLAN_H
#define PE_LB_CASES_PLAN_H

#include "lb/cases/request.h"

/* Make the job that runs the stages, and `count` cases from `first` on. `share` is the number of jobs among
 * which the cases are divided: all their reports together have no more bytes than that of one job. The files
 * of `job` that are not the plan are those of `source`, which must outlive it. PE_ERR_INVALID or
 * PE_ERR_TOO_LARGE if there is no room in the plan, PE_ERR_INTERNAL without memory. The caller frees `job`,
 * which is zeroed first, also after a failure. */
int case_plan_make(const struct case_request *request, const struct submission *source, size_t first,
                   size_t count, size_t share, struct submission *job, struct pe_error *err) PE_MUST_CHECK;

#endif
