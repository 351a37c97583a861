/* SPDX-License-Identifier: Apache-2.0 */
/* The trace that a request belongs to (codec/trace_context.h), and its own span in it. */
#ifndef PE_LB_CORE_REQUEST_TRACE_H
#define PE_LB_CORE_REQUEST_TRACE_H

#include "codec/trace_context.h"

#include <stdbool.h>
#include <stddef.h>

struct request_trace {
    /* What the worker, the logs and the response get. With tracing it is the request's own span; without,
     * it is what the client sent, because who takes no part in a trace must pass it on unchanged. */
    struct pe_trace here;
    char parent_id[PE_SPAN_ID_SIZE + 1]; /* the client's span; empty: none */
};

/* Take the `size` bytes of a client's `traceparent`, of which none may be there. If `is_tracing`, make a
 * new span of that trace, or of a new trace if the client sent no valid one. */
void request_trace_begin(struct request_trace *trace, const char *header, size_t size, bool is_tracing);

/* The id of the trace for the log; NULL if there is none. */
const char *request_trace_id(const struct request_trace *trace);

#endif
