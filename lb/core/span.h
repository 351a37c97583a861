/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as OTLP sends them: a piece of work with a begin, an end and attributes
 * (https://opentelemetry.io/docs/specs/otlp/, JSON Protobuf Encoding). */
#ifndef PE_LB_CORE_SPAN_H
#define PE_LB_CORE_SPAN_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/trace_context.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPAN_ATTRIBUTES_MAX = 10 };

/* The numbers of SpanKind in opentelemetry/proto/trace/v1/trace.proto. */
enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER = 2, SPAN_CLIENT = 3 };

/* A text, or a number if `text` is NULL. */
struct span_attribute {
    const char *name;
    const char *text;
    uint64_t number;
};

/* What the pointers point to is borrowed. */
struct span {
    struct pe_trace trace; /* the ids of the span itself */
    const char *parent_id; /* empty: it has no parent */
    const char *name;
    enum span_kind kind;
    uint64_t start_us, end_us; /* on the clock of pe_now_us() */
    bool failed;               /* the work was not done, by a fault of the service */
    struct span_attribute attributes[SPAN_ATTRIBUTES_MAX];
    size_t attribute_count;
};

/* Add an attribute, unless there are SPAN_ATTRIBUTES_MAX already. Without a text, nothing is added. */
void span_add_text(struct span *span, const char *name, const char *text);
void span_add_number(struct span *span, const char *name, uint64_t number);

/* Append a span as a JSON object. `epoch_ns` is the time since 1970 of the zero of pe_now_us(). Fails as
 * pe_buf_append does. */
int span_append(const struct span *span, uint64_t epoch_ns, struct pe_buf *out,
                struct pe_error *err) PE_MUST_CHECK;

/* Append what stands before and behind the spans, which are divided by commas, in the body of a request to
 * a collector (ExportTraceServiceRequest). Both fail as pe_buf_append does. */
int span_append_head(struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;
int span_append_tail(struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

#endif
