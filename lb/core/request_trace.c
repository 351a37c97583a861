/* SPDX-License-Identifier: Apache-2.0 */
/* Joining the trace of a client, or beginning one, and the spans of a request. How they are sent is
 * span_export.c's part. */
#include "lb/core/request_trace.h"

#include "base/io.h"
#include "base/random_text.h"
#include "proto/result.h"

#include <string.h>

bool request_trace_begin(struct request_trace *trace, const char *header, size_t size, bool is_tracing)
{
    *trace = (struct request_trace){.parent_id = ""};
    bool has_parent = pe_traceparent_parse(header, size, &trace->here);
    if (!is_tracing)
        return has_parent;
    if (has_parent) {
        memcpy(trace->parent_id, trace->here.span_id, sizeof trace->parent_id);
    } else {
        pe_pooled_random_hex(trace->here.trace_id, PE_TRACE_ID_SIZE / 2);
        trace->here.flags = PE_TRACE_SAMPLED;
    }
    pe_pooled_random_hex(trace->here.span_id, PE_SPAN_ID_SIZE / 2);
    return has_parent;
}

const char *request_trace_id(const struct request_trace *trace)
{
    return pe_trace_is_set(&trace->here) ? trace->here.trace_id : NULL;
}

/* ---- spans ---- */

/* A new span below `parent`, with an id of its own. */
static struct span begin_below(const struct pe_trace *parent, const char *name, uint64_t start_us,
                               uint64_t end_us)
{
    struct span span = {.trace = *parent,
                        .parent_id = parent->span_id,
                        .name = name,
                        .kind = SPAN_INTERNAL,
                        .start_us = start_us,
                        .end_us = end_us > start_us ? end_us : start_us};
    pe_pooled_random_hex(span.trace.span_id, PE_SPAN_ID_SIZE / 2);
    return span;
}

static void export_phases(const struct pe_trace *slot, const struct slot_record *record,
                          struct span_export *export)
{
    uint64_t total_us = 0, slot_us = record->finished_us - record->started_us;
    for (int phase = PE_PHASE_VM; phase < PE_PHASES; phase++)
        total_us += record->phase_us[phase] < slot_us ? record->phase_us[phase] : slot_us;
    uint64_t at_us = total_us < slot_us ? record->finished_us - total_us : record->started_us;
    struct span transfer = begin_below(slot, "transfer", record->started_us, at_us);
    span_export_add(export, &transfer);
    for (int phase = PE_PHASE_VM; phase < PE_PHASES; phase++) {
        uint64_t left_us = record->finished_us - at_us;
        uint64_t took_us = record->phase_us[phase] < left_us ? record->phase_us[phase] : left_us;
        struct span span = begin_below(slot, pe_phase_names[phase], at_us, at_us + took_us);
        span_export_add(export, &span);
        at_us += took_us;
    }
}

static void export_slot(const struct pe_trace *request, const struct request_record *record,
                        const struct slot_record *slot, uint64_t now_us, struct span_export *export)
{
    uint64_t end_us = slot->finished_us ? slot->finished_us : now_us;
    struct span queue = begin_below(request, "queue", record->arrived_us, slot->started_us);
    struct span span = begin_below(request, "slot", slot->started_us, end_us);
    span.kind = SPAN_CLIENT;
    span.failed = record->failed;
    span_add_text(&span, "pe.worker", slot->worker);
    span_export_add(export, &queue);
    span_export_add(export, &span);
    if (slot->phase_us && slot->finished_us)
        export_phases(&span.trace, slot, export);
}

static void export_request(const struct request_trace *trace, const struct request_record *record,
                           uint64_t now_us, struct span_export *export)
{
    struct span span = {.trace = trace->here,
                        .parent_id = trace->parent_id,
                        .name = record->name,
                        .kind = SPAN_SERVER,
                        .start_us = record->arrived_us,
                        .end_us = now_us,
                        .failed = record->failed};
    span_add_text(&span, "pe.request_id", record->request_id);
    span_add_text(&span, "pe.image", record->image);
    span_add_text(&span, "pe.status", record->status);
    span_add_text(&span, "pe.source", record->source);
    if (record->http_status)
        span_add_number(&span, "http.response.status_code", (uint64_t)record->http_status);
    if (record->lost)
        span_add_number(&span, "pe.lost_tries", record->lost);
    span_export_add(export, &span);
}

void request_trace_export(const struct request_trace *trace, const struct request_record *record,
                          struct span_export *export)
{
    uint64_t now_us = pe_now_us();
    if (!pe_trace_is_set(&trace->here))
        return;
    span_export_set_clock(export);
    export_request(trace, record, now_us, export);
    for (size_t i = 0; i < record->slot_count; i++)
        export_slot(&trace->here, record, &record->slots[i], now_us, export);
}
