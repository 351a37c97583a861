/* SPDX-License-Identifier: Apache-2.0 */
/* The spans of an exchange that has ended. What they look like is lb/core/request_trace.c's part. */
#include "lb/api/exchange.h"

#include "lb/core/request_trace.h"

#include <stdio.h>
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

/* A request that joined the job of another one has no phases: they belong to the other one's trace. Jobs with
 * stages are several jobs at a time, whose phases overlap. */
static const uint64_t *phases_of(const struct exchange *exchange)
{
    if (exchange->source != SOURCE_FORWARDED || !exchange->finished_us || exchange->cases)
        return NULL;
    return exchange->events ? exchange->events->fields.phase_us : exchange->encoder.fields.phase_us;
}

void exchange_export_trace(const struct exchange *exchange, const char *source)
{
    struct span_export *spans = exchange->exchanges->spans;
    if (!spans)
        return;
    const struct request_record record = {.name = exchange->dialect->name,
                                          .request_id = exchange->id,
                                          .image = exchange->submission.spec.image,
                                          .status = exchange->log_status,
                                          .source = source,
                                          .worker = exchange->worker,
                                          .arrived_us = exchange->waiter.arrived_us,
                                          .started_us = exchange->started_us,
                                          .finished_us = exchange->finished_us,
                                          .phase_us = phases_of(exchange),
                                          .lost = exchange->lost_tries,
                                          .http_status = exchange->req->res.status,
                                          .failed = has_failed(exchange)};
    request_trace_export(&exchange->trace, &record, spans);
}
