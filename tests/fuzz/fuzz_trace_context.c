/* SPDX-License-Identifier: Apache-2.0 */
/* `traceparent` and `tracestate`. A trace that is accepted is the same after it was written and read again,
 * and a value of version 00 without unknown flags is written as it was. A state stays what it is. */
#include "codec/trace_context.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_parent(const char *bytes, size_t size)
{
    struct pe_trace trace, again;
    char text[PE_TRACEPARENT_SIZE + 1];
    if (!pe_traceparent_parse(bytes, size, &trace)) {
        HOLDS(!pe_trace_is_set(&trace));
        return;
    }
    pe_traceparent_format(&trace, text);
    HOLDS(strlen(text) == PE_TRACEPARENT_SIZE);
    HOLDS(pe_traceparent_parse(text, PE_TRACEPARENT_SIZE, &again));
    HOLDS(!strcmp(trace.trace_id, again.trace_id) && !strcmp(trace.span_id, again.span_id));
    HOLDS(trace.flags == again.flags);
    HOLDS(!memcmp(text + 2, bytes + 2, PE_TRACEPARENT_SIZE - 4));
}

/* Each line is one value. */
static void check_state(const uint8_t *bytes, size_t size)
{
    struct pe_cursor values[8];
    struct pe_trace trace, again;
    size_t count = 0;
    for (const uint8_t *at = bytes, *end = bytes + size; at < end && count < 8; count++) {
        const uint8_t *line = memchr(at, '\n', (size_t)(end - at));
        values[count] = (struct pe_cursor){.at = at, .left = (size_t)((line ? line : end) - at)};
        at = line ? line + 1 : end;
    }
    const bool is_valid = pe_tracestate_parse(values, count, &trace);
    const size_t length = strlen(trace.state);
    HOLDS(length <= PE_TRACESTATE_SIZE && length <= size + count && (is_valid || !length));
    const struct pe_cursor kept = {.at = (const uint8_t *)trace.state, .left = length};
    HOLDS(pe_tracestate_parse(&kept, 1, &again) && !strcmp(trace.state, again.state));
    for (size_t i = 0; i < length; i++)
        HOLDS(trace.state[i] >= 0x20 && trace.state[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    check_parent((const char *)bytes, size);
    check_state(bytes, size);
    return 0;
}
