/* SPDX-License-Identifier: Apache-2.0 */
/* The spans of an exchange that has ended. What they look like is lb/core/request_trace.c's part. */
#include "lb/api/exchange.h"

#include "base/cleanup.h"
#include "lb/core/request_trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void exchange_note_worker(struct exchange *exchange)
{
    const struct slot *slot = exchange->waiter.job->entry.slot;
    snprintf(exchange->worker, sizeof exchange->worker, "%s", slot ? slot->worker_name : "");
}

static bool has_failed(const struct exchange *exchange)
{
    return exchange->req->res.status >= 500 || !strcmp(exchange->log_status, "vm_error") ||
           !strcmp(exchange->log_status, "job-lost");
}

/* A request that joined the job of another one has no phases: they belong to the other one's trace. */
static const uint64_t *phases_of(const struct exchange *exchange)
{
    if (exchange->source != SOURCE_FORWARDED || !exchange->finished_us)
        return NULL;
    return exchange->events ? exchange->events->fields.phase_us : exchange->encoder.fields.phase_us;
}

static void export(const struct exchange *exchange, const char *source, const struct slot_record *slots,
                   size_t count)
{
    const struct request_record record = {.name = exchange->dialect->name,
                                          .request_id = exchange->id,
                                          .image = exchange->submission.spec.image,
                                          .status = exchange->log_status,
                                          .source = source,
                                          .arrived_us = exchange->waiter.arrived_us,
                                          .slots = slots,
                                          .slot_count = count,
                                          .lost = exchange->cases ? exchange->cases->parts.lost
                                                                  : exchange->lost_tries,
                                          .http_status = exchange->req->res.status,
                                          .failed = has_failed(exchange)};
    request_trace_export(&exchange->trace, &record, exchange->exchanges->spans);
}

/* Each part of a job with stages was on a slot of its own. Without memory, the request has no further spans.
 */
static void export_with_parts(const struct exchange *exchange, const char *source)
{
    const struct case_parts *parts = &exchange->cases->parts;
    pe_autofree struct slot_record *slots = calloc(parts->count + 1, sizeof *slots);
    size_t count = 0;
    for (size_t i = 0; slots && i < parts->count; i++)
        if (case_part_slot(&parts->items[i], &slots[count]))
            count++;
    export(exchange, source, slots, count);
}

void exchange_export_trace(const struct exchange *exchange, const char *source)
{
    if (!exchange->exchanges->spans)
        return;
    if (exchange->cases) {
        export_with_parts(exchange, source);
        return;
    }
    const struct slot_record slot = {.worker = exchange->worker,
                                     .started_us = exchange->started_us,
                                     .finished_us = exchange->finished_us,
                                     .phase_us = phases_of(exchange)};
    export(exchange, source, &slot, exchange->started_us ? 1 : 0);
}
