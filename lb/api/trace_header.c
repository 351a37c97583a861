/* SPDX-License-Identifier: Apache-2.0 */
/* Between the headers of libh2o and lb/core/request_trace.h. */
#include "lb/api/trace_header.h"

#include "lb/edge/http_reply.h"

static const char name[] = "traceparent", state_name[] = "tracestate";
enum { NAME_SIZE = sizeof name - 1 };

/* Several values are none: nobody can say which of them is meant. */
static h2o_iovec_t parent_of_client(const h2o_headers_t *headers)
{
    ssize_t at = h2o_find_header_by_str(headers, name, NAME_SIZE, -1);
    if (at < 0 || h2o_find_header_by_str(headers, name, NAME_SIZE, at) >= 0)
        return (h2o_iovec_t){NULL, 0};
    return headers->entries[at].value;
}

/* Several values are one list. A state that is not valid is none, and so is that of no trace. */
static void take_state(struct pe_trace *trace, const h2o_headers_t *headers)
{
    struct pe_cursor values[PE_TRACESTATE_MEMBERS_MAX];
    size_t count = 0;
    ssize_t at = -1;
    while ((at = h2o_find_header_by_str(headers, state_name, sizeof state_name - 1, at)) >= 0) {
        const h2o_iovec_t value = headers->entries[at].value;
        if (count == PE_TRACESTATE_MEMBERS_MAX)
            return;
        values[count++] = (struct pe_cursor){.at = (const uint8_t *)value.base, .left = value.len};
    }
    (void)pe_tracestate_parse(values, count, trace);
}

const struct pe_trace *trace_header_begin(struct request_trace *trace, h2o_req_t *req, bool is_tracing)
{
    char text[PE_TRACEPARENT_SIZE + 1];
    h2o_iovec_t value = parent_of_client(&req->headers);
    if (request_trace_begin(trace, value.base, value.len, is_tracing))
        take_state(&trace->here, &req->headers);
    if (!pe_trace_is_set(&trace->here))
        return NULL;
    pe_traceparent_format(&trace->here, text);
    http_reply_header(req, name, text);
    return &trace->here;
}
