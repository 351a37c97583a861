/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing `traceparent`: version "-" trace-id "-" parent-id "-" flags (section 3.2 of the
 * specification). Who makes traces and spans is not known here. */
#include "codec/trace_context.h"

#include <stdio.h>
#include <string.h>

enum { TRACE_ID_AT = 3, SPAN_ID_AT = 36, FLAGS_AT = 53 };

static bool is_hex(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f'))
            return false;
    return true;
}

static bool is_zero(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != '0')
            return false;
    return true;
}

static unsigned digit(char hex)
{
    return (unsigned)(hex <= '9' ? hex - '0' : hex - 'a' + 10);
}

static bool has_form(const char *text, size_t size)
{
    if (size < PE_TRACEPARENT_SIZE || !is_hex(text, 2) || !memcmp(text, "ff", 2))
        return false;
    bool is_first = !memcmp(text, "00", 2);
    if (size > PE_TRACEPARENT_SIZE && (is_first || text[PE_TRACEPARENT_SIZE] != '-'))
        return false;
    return text[TRACE_ID_AT - 1] == '-' && text[SPAN_ID_AT - 1] == '-' && text[FLAGS_AT - 1] == '-';
}

static bool is_id(const char *text, size_t size)
{
    return is_hex(text, size) && !is_zero(text, size);
}

bool pe_traceparent_parse(const char *text, size_t size, struct pe_trace *trace)
{
    *trace = (struct pe_trace){.flags = 0};
    if (!has_form(text, size) || !is_id(text + TRACE_ID_AT, PE_TRACE_ID_SIZE) ||
        !is_id(text + SPAN_ID_AT, PE_SPAN_ID_SIZE) || !is_hex(text + FLAGS_AT, 2))
        return false;
    memcpy(trace->trace_id, text + TRACE_ID_AT, PE_TRACE_ID_SIZE);
    memcpy(trace->span_id, text + SPAN_ID_AT, PE_SPAN_ID_SIZE);
    trace->flags = digit(text[FLAGS_AT + 1]) & (PE_TRACE_SAMPLED | PE_TRACE_RANDOM);
    return true;
}

void pe_traceparent_format(const struct pe_trace *trace, char text[PE_TRACEPARENT_SIZE + 1])
{
    snprintf(text, PE_TRACEPARENT_SIZE + 1, "00-%.32s-%.16s-%02x", trace->trace_id, trace->span_id,
             trace->flags & (PE_TRACE_SAMPLED | PE_TRACE_RANDOM));
}
