/* SPDX-License-Identifier: Apache-2.0 */
/* Between the headers of libh2o and lb/core/request_trace.h. */
#include "lb/api/trace_header.h"

#include "lb/edge/http_reply.h"

static const char name[] = "traceparent";
enum { NAME_SIZE = sizeof name - 1 };

/* Several values are none: nobody can say which of them is meant. */
static h2o_iovec_t sent_by_client(const h2o_headers_t *headers)
{
    ssize_t at = h2o_find_header_by_str(headers, name, NAME_SIZE, -1);
    if (at < 0 || h2o_find_header_by_str(headers, name, NAME_SIZE, at) >= 0)
        return (h2o_iovec_t){NULL, 0};
    return headers->entries[at].value;
}

const struct pe_trace *trace_header_begin(struct request_trace *trace, h2o_req_t *req, bool is_tracing)
{
    char text[PE_TRACEPARENT_SIZE + 1];
    h2o_iovec_t value = sent_by_client(&req->headers);
    request_trace_begin(trace, value.base, value.len, is_tracing);
    if (!pe_trace_is_set(&trace->here))
        return NULL;
    pe_traceparent_format(&trace->here, text);
    http_reply_header(req, name, text);
    return &trace->here;
}
