/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of a submission that outlives the request that it came with. */
#ifndef PE_LB_CORE_SUBMISSION_COPY_H
#define PE_LB_CORE_SUBMISSION_COPY_H

#include "lb/core/submission.h"

/* How many bytes a copy needs, about. */
size_t submission_copy_bytes(const struct submission *submission);

/* Copy the job and its files into `copy`, without the salt, and without stages and cases. The caller frees
 * it. PE_ERR_INVALID if the submission was not made from JSON, PE_ERR_INTERNAL without memory. On failure,
 * `copy` is empty. */
int submission_copy(struct submission *copy, const struct submission *submission,
                    struct pe_error *err) PE_MUST_CHECK;

#endif
