/* SPDX-License-Identifier: Apache-2.0 */
/* The tool `run`: its arguments become a job, and the job's result becomes content for a model. */
#ifndef PE_LB_MCP_RUN_TOOL_H
#define PE_LB_MCP_RUN_TOOL_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/job_result.h"
#include "lb/core/submission.h"
#include "proto/problem.h"

#include <jansson.h>

/* What a model gets of each stream, and of all files together, in bytes. */
#define RUN_TOOL_STREAM_MAX (64u * 1024u)
#define RUN_TOOL_FILES_MAX (2u * 1024u * 1024u)

/* Make a job of the tool's arguments (lb/mcp/tools.json). `submission` must be zero-initialised, and owns
 * copies of everything; the caller frees it, also after a failure. PE_ERR_INVALID and PE_ERR_TOO_LARGE name
 * the argument; PE_ERR_INTERNAL without memory. */
int run_tool_read(const json_t *arguments, struct submission *submission, struct pe_error *err) PE_MUST_CHECK;

/* Append the tool's result for a complete result of a job, as a JSON object (CallToolResult). Fails as
 * pe_buf_append does. */
int run_tool_append_result(const struct job_result *result, struct pe_buf *out,
                           struct pe_error *err) PE_MUST_CHECK;

/* The tool's result for a job that could not be run, as a new JSON object whose reference is the caller's:
 * what happened, and what to do about it. NULL without memory. */
json_t *run_tool_problem(const struct pe_problem *problem);

#endif
