/* SPDX-License-Identifier: Apache-2.0 */
/* Reading TRACEPARENT and TRACESTATE. Anything may be in them, so the headers are written from the parsed
 * values. */
#include "cli/trace.h"

#include <stdlib.h>
#include <string.h>

bool trace_of_environment(struct trace_headers *headers)
{
    struct pe_trace trace;
    const char *parent = getenv("TRACEPARENT"), *state = getenv("TRACESTATE");
    *headers = (struct trace_headers){.parent = ""};
    if (!parent || !pe_traceparent_parse(parent, strlen(parent), &trace))
        return false;
    pe_traceparent_format(&trace, headers->parent);
    const struct pe_cursor value = {.at = (const uint8_t *)state, .left = state ? strlen(state) : 0};
    if (state && pe_tracestate_parse(&value, 1, &trace))
        memcpy(headers->state, trace.state, sizeof headers->state);
    return true;
}
