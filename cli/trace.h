/* SPDX-License-Identifier: Apache-2.0 */
/* The trace that pe-run was started in. */
#ifndef PE_CLI_TRACE_H
#define PE_CLI_TRACE_H

#include "codec/trace_context.h"

/* Values of the headers `traceparent` and `tracestate`. */
struct trace_headers {
    char parent[PE_TRACEPARENT_SIZE + 1];
    char state[PE_TRACESTATE_SIZE + 1]; /* empty: there is none */
};

/* Read the variables TRACEPARENT and TRACESTATE, in which shells and CI systems pass on a trace. Returns
 * false if there is no trace, or no valid one; both values are then empty. */
bool trace_of_environment(struct trace_headers *headers);

#endif
