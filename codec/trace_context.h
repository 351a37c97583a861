/* SPDX-License-Identifier: Apache-2.0 */
/* W3C Trace Context (https://www.w3.org/TR/trace-context/): the header `traceparent`, by which the
 * parts of a distributed system agree on the trace that a piece of work belongs to, and `tracestate`, what
 * systems for tracing want to find again in it. */
#ifndef PE_CODEC_TRACE_CONTEXT_H
#define PE_CODEC_TRACE_CONTEXT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PE_TRACEPARENT_SIZE = 55, /* bytes of the header's value, without a NUL */
    PE_TRACE_ID_SIZE = 32,    /* hex digits */
    PE_SPAN_ID_SIZE = 16,     /* hex digits */
    PE_TRACESTATE_SIZE = 512, /* bytes of the header's value that are passed on, without a NUL */
    PE_TRACESTATE_MEMBERS_MAX = 32,
};

/* A trace, and one span of it: the piece of work that others refer to as their parent. Zero-initialised
 * it is no trace. Both ids are lower-case hex digits, and not all of them are 0. */
struct pe_trace {
    char trace_id[PE_TRACE_ID_SIZE + 1]; /* empty: no trace */
    char span_id[PE_SPAN_ID_SIZE + 1];
    unsigned flags;                     /* PE_TRACE_SAMPLED and PE_TRACE_RANDOM */
    char state[PE_TRACESTATE_SIZE + 1]; /* the value of `tracestate`; empty: none */
};

#define PE_TRACE_SAMPLED 1u /* the sender may record this trace */
#define PE_TRACE_RANDOM 2u  /* the trace id is random (level 2 of the specification) */

/* Read the value of `traceparent`, of any version but ff. What a later version adds behind the fields of
 * version 00 is ignored, and so are unknown flags. Returns false for a value that is not valid, and
 * `trace` is then no trace: the specification says to go on as if the header were missing. */
bool pe_traceparent_parse(const char *text, size_t size, struct pe_trace *trace);

/* Write the value of `traceparent` in version 00, with a NUL. `trace` must be a trace. */
void pe_traceparent_format(const struct pe_trace *trace, char text[PE_TRACEPARENT_SIZE + 1]);

/* Read `tracestate` into trace->state, from its `count` values in their order: a list of members "key=value",
 * which are kept as they are. Blanks around members and empty members are left out. If the list is longer
 * than PE_TRACESTATE_SIZE, whole members are, as section 3.3.1.5 says: first those of more than 128 bytes,
 * then the last ones. Returns false, without a state, if a member is not valid or if there are more than
 * PE_TRACESTATE_MEMBERS_MAX: the state is then to be discarded. */
bool pe_tracestate_parse(const struct pe_cursor *values, size_t count, struct pe_trace *trace);

/* Whether there is a trace. */
static inline bool pe_trace_is_set(const struct pe_trace *trace)
{
    return trace->trace_id[0] != '\0';
}

#endif
