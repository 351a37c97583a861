/* SPDX-License-Identifier: Apache-2.0 */
/* Reading TRACEPARENT. Anything may be in it, so the header is written from the parsed value. */
#include "cli/trace.h"

#include <stdlib.h>
#include <string.h>

const char *trace_of_environment(char text[PE_TRACEPARENT_SIZE + 1])
{
    struct pe_trace trace;
    const char *value = getenv("TRACEPARENT");
    if (!value || !pe_traceparent_parse(value, strlen(value), &trace))
        return NULL;
    pe_traceparent_format(&trace, text);
    return text;
}
