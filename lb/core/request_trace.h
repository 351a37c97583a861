/* SPDX-License-Identifier: Apache-2.0 */
/* The trace that a request belongs to (codec/trace_context.h), and its own span in it. */
#ifndef PE_LB_CORE_REQUEST_TRACE_H
#define PE_LB_CORE_REQUEST_TRACE_H

#include "codec/trace_context.h"
#include "lb/core/span_export.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request_trace {
    /* What the worker, the logs and the response get. With tracing it is the request's own span; without,
     * it is what the client sent, because who takes no part in a trace must pass it on unchanged. */
    struct pe_trace here;
    char parent_id[PE_SPAN_ID_SIZE + 1]; /* the client's span; empty: none */
};

/* Take the `size` bytes of a client's `traceparent`, of which none may be there. If `is_tracing`, make a
 * new span of that trace, or of a new trace if the client sent no valid one. Returns whether it is the trace
 * of the client. */
bool request_trace_begin(struct request_trace *trace, const char *header, size_t size, bool is_tracing);

/* A job of a request on a slot. Times are on the clock of pe_now_us(). What the pointers point to is
 * borrowed. */
struct slot_record {
    const char *worker;       /* NULL or empty: not known */
    uint64_t started_us;      /* on the slot */
    uint64_t finished_us;     /* the result was complete; 0: it was not */
    const uint64_t *phase_us; /* PE_PHASES of a job that ran for this request; NULL: none did */
};

/* What became of a request; the same holds. */
struct request_record {
    const char *name;               /* method and path */
    const char *request_id, *image; /* NULL: not known */
    const char *status;             /* of the result, or the type of the problem */
    const char *source;             /* where the result came from */
    uint64_t arrived_us;
    const struct slot_record *slots; /* a request with stages can have several */
    size_t slot_count;
    unsigned lost;   /* tries whose slot or VM was lost */
    int http_status; /* 0: it has none */
    bool failed;     /* by a fault of the service */
};

/* Export the span of a request that ends now, and below it, for each slot, those of its phases: `queue`, and
 * `slot` with `transfer` and the phases that the worker has measured. A worker tells how long a phase took,
 * and not when it was: these spans follow each other, the last one ends with the slot's, and what is left
 * before them is `transfer`. */
void request_trace_export(const struct request_trace *trace, const struct request_record *record,
                          struct span_export *export);

/* The id of the trace for the log; NULL if there is none. */
const char *request_trace_id(const struct request_trace *trace);

#endif
