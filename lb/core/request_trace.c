/* SPDX-License-Identifier: Apache-2.0 */
/* Joining the trace of a client, or beginning one. What becomes of it is span_export.c's part. */
#include "lb/core/request_trace.h"

#include "base/random_text.h"

#include <string.h>

void request_trace_begin(struct request_trace *trace, const char *header, size_t size, bool is_tracing)
{
    *trace = (struct request_trace){.parent_id = ""};
    bool has_parent = pe_traceparent_parse(header, size, &trace->here);
    if (!is_tracing)
        return;
    if (has_parent) {
        memcpy(trace->parent_id, trace->here.span_id, sizeof trace->parent_id);
    } else {
        pe_pooled_random_hex(trace->here.trace_id, PE_TRACE_ID_SIZE / 2);
        trace->here.flags = PE_TRACE_SAMPLED;
    }
    pe_pooled_random_hex(trace->here.span_id, PE_SPAN_ID_SIZE / 2);
}

const char *request_trace_id(const struct request_trace *trace)
{
    return pe_trace_is_set(&trace->here) ? trace->here.trace_id : NULL;
}
