/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding. In OTLP's JSON, ids are hexadecimal, enums are numbers, and 64-bit numbers are decimal
 * strings. Where spans go is span_export.c's part. */
#include "lb/core/span.h"

#include "codec/json_writer.h"

#include <stdio.h>

enum { STATUS_ERROR = 2 }; /* StatusCode in trace.proto */

static struct span_attribute *add(struct span *span, const char *name)
{
    static struct span_attribute spare; /* of a span that has all it may have */
    struct span_attribute *attribute =
        span->attribute_count < SPAN_ATTRIBUTES_MAX ? &span->attributes[span->attribute_count++] : &spare;
    *attribute = (struct span_attribute){.name = name};
    return attribute;
}

void span_add_text(struct span *span, const char *name, const char *text)
{
    if (text && text[0])
        add(span, name)->text = text;
}

void span_add_number(struct span *span, const char *name, uint64_t number)
{
    add(span, name)->number = number;
}

static void append_decimal(struct pe_json_writer *json, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    pe_json_append_text(json, name, text);
}

static void append_attribute(struct pe_json_writer *json, const struct span_attribute *attribute)
{
    pe_json_open(json, NULL, '{');
    pe_json_append_text(json, "key", attribute->name);
    pe_json_open(json, "value", '{');
    if (attribute->text)
        pe_json_append_text(json, "stringValue", attribute->text);
    else
        append_decimal(json, "intValue", attribute->number);
    pe_json_close(json, '}');
    pe_json_close(json, '}');
}

int span_append(const struct span *span, uint64_t epoch_ns, struct pe_buf *out, struct pe_error *err)
{
    struct pe_json_writer json = pe_json_write(out, err);
    pe_json_open(&json, NULL, '{');
    pe_json_append_text(&json, "traceId", span->trace.trace_id);
    pe_json_append_text(&json, "spanId", span->trace.span_id);
    if (span->trace.state[0])
        pe_json_append_text(&json, "traceState", span->trace.state);
    if (span->parent_id[0])
        pe_json_append_text(&json, "parentSpanId", span->parent_id);
    pe_json_append_number(&json, "flags", span->trace.flags);
    pe_json_append_text(&json, "name", span->name);
    pe_json_append_number(&json, "kind", (uint64_t)span->kind);
    append_decimal(&json, "startTimeUnixNano", epoch_ns + span->start_us * 1000);
    append_decimal(&json, "endTimeUnixNano", epoch_ns + span->end_us * 1000);
    pe_json_open(&json, "attributes", '[');
    for (size_t i = 0; i < span->attribute_count; i++)
        append_attribute(&json, &span->attributes[i]);
    pe_json_close(&json, ']');
    if (span->failed) {
        pe_json_open(&json, "status", '{');
        pe_json_append_number(&json, "code", STATUS_ERROR);
        pe_json_close(&json, '}');
    }
    pe_json_close(&json, '}');
    return pe_json_finish(&json);
}

int span_append_head(struct pe_buf *out, struct pe_error *err)
{
    return pe_buf_append_text(out,
                              "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
                              "\"value\":{\"stringValue\":\"pe-lb\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":"
                              "\"program-explorer\"},\"spans\":[",
                              err);
}

int span_append_tail(struct pe_buf *out, struct pe_error *err)
{
    return pe_buf_append_text(out, "]}]}]}", err);
}
