/* SPDX-License-Identifier: Apache-2.0 */
/* The trace that pe-run was started in. */
#ifndef PE_CLI_TRACE_H
#define PE_CLI_TRACE_H

#include "codec/trace_context.h"

/* Copy the value of the variable TRACEPARENT, in which shells and CI systems pass on a trace, to `text`,
 * in the form of the header `traceparent`. Returns NULL if it is not set or not valid, else `text`. */
const char *trace_of_environment(char text[PE_TRACEPARENT_SIZE + 1]);

#endif
