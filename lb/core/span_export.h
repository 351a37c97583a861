/* SPDX-License-Identifier: Apache-2.0 */
/* Spans on their way to a collector. They are collected for a quarter of a second, and a helper process
 * (span_sender.h) sends them, so that a collector which is slow or gone never holds up the event loop.
 * What waits is bounded: spans for which there is no room are dropped and counted. */
#ifndef PE_LB_CORE_SPAN_EXPORT_H
#define PE_LB_CORE_SPAN_EXPORT_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/helper.h"
#include "lb/core/loop.h"
#include "lb/core/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span_export {
    struct loop *loop;
    const char *arguments[5]; /* of the helper */
    struct helper helper;
    struct pe_buf batch;   /* spans as JSON, divided by commas */
    uint32_t batch_count;  /* how many */
    uint64_t under_way;    /* spans that the helper has not reported on */
    struct loop_timer due; /* when the batch is sent */
    bool is_due;           /* the timer runs */
    uint64_t epoch_ns;     /* the time since 1970 of the zero of pe_now_us() */
    uint64_t exported, failed, dropped;
};

/* Export spans to a collector; `endpoint` is its URL, to which "/v1/traces" is added. With NULL, nothing is
 * exported. `loop` and `endpoint` must outlive `export`, which must stay where it is. Fails as helper_start()
 * does. */
int span_export_init(struct span_export *export, struct loop *loop, const char *endpoint,
                     struct pe_error *err) PE_MUST_CHECK;

/* Read the clock of the system again, before the spans of a request are added: it can be set at any time, and
 * what belongs together has to fit together. */
void span_export_set_clock(struct span_export *export);

/* Take a span, which is copied. Nothing happens if its trace is not sampled. */
void span_export_add(struct span_export *export, const struct span *span);

/* Send what has been collected, which takes at most five seconds, and end the helper. */
void span_export_close(struct span_export *export);

#endif
