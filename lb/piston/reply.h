/* SPDX-License-Identifier: Apache-2.0 */
/* A job's result as Piston's reply to POST /execute. */
#ifndef PE_LB_PISTON_REPLY_H
#define PE_LB_PISTON_REPLY_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/job_result.h"
#include "lb/piston/request.h"
#include "proto/result.h"
#include "proto/stages.h"

#include <jansson.h>
#include <stdbool.h>

/* Append the whole body for a complete result. PE_ERR_MALFORMED if the result has no stdout,
 * PE_ERR_INTERNAL without memory. */
int piston_reply_encode(const struct piston_request *request, const struct job_result *result,
                        struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

/* The message of a stage that has ended, in GET /connect. `fields` tells how the job has ended, if the stage
 * has not ended by itself; it may be NULL, if the stage has. A new reference; NULL without memory. */
json_t *piston_exit_message(const struct pe_stage_report *stage, const struct pe_result *fields);

/* Whether Piston knows a signal of this name, such as "SIGINT". */
bool piston_is_signal(const char *name);

#endif
