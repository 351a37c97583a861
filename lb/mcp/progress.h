/* SPDX-License-Identifier: Apache-2.0 */
/* Progress notifications: what the program prints while it runs, for a client that asked for it with a
 * progress token ("Progress" of the Model Context Protocol, revisions 2025-03-26 to 2026-07-28). */
#ifndef PE_LB_MCP_PROGRESS_H
#define PE_LB_MCP_PROGRESS_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/api/event_encoder.h"
#include "lb/mcp/message.h"

#include <jansson.h>
#include <stdint.h>

/* The progress token of a request, a string or an integer; NULL if it has none. It belongs to `message`. */
const json_t *mcp_progress_token(const struct mcp_message *message);

/* Append the notification of an event that is not the end of a job. `progress` is what the last notification
 * said, initially 0, and grows with each: by the bytes of output in it, and otherwise by 1. Fails as
 * pe_buf_append does. */
int mcp_progress_append(const json_t *token, const struct event *event, uint64_t *progress,
                        struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

#endif
