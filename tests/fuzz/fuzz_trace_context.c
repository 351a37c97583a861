/* SPDX-License-Identifier: Apache-2.0 */
/* `traceparent`. A value that is accepted is the same trace after it was written and read again, and a
 * value of version 00 without unknown flags is written as it was. */
#include "codec/trace_context.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_trace trace, again;
    char text[PE_TRACEPARENT_SIZE + 1];
    if (!pe_traceparent_parse((const char *)bytes, size, &trace)) {
        HOLDS(!pe_trace_is_set(&trace));
        return 0;
    }
    pe_traceparent_format(&trace, text);
    HOLDS(strlen(text) == PE_TRACEPARENT_SIZE);
    HOLDS(pe_traceparent_parse(text, PE_TRACEPARENT_SIZE, &again));
    HOLDS(!strcmp(trace.trace_id, again.trace_id) && !strcmp(trace.span_id, again.span_id));
    HOLDS(trace.flags == again.flags);
    HOLDS(!memcmp(text + 2, bytes + 2, PE_TRACEPARENT_SIZE - 4));
    return 0;
}
