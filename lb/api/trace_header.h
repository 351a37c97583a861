/* SPDX-License-Identifier: Apache-2.0 */
/* The headers `traceparent`, of requests and responses, and `tracestate`, of requests
 * (codec/trace_context.h).
 */
#ifndef PE_LB_API_TRACE_HEADER_H
#define PE_LB_API_TRACE_HEADER_H

#include "lb/core/request_trace.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>

/* Begin the trace of a request from its headers, and add `traceparent` to the response. Returns what the
 * worker gets, which points into `trace`, or NULL if there is no trace. */
const struct pe_trace *trace_header_begin(struct request_trace *trace, h2o_req_t *req, bool is_tracing);

#endif
