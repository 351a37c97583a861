/* SPDX-License-Identifier: Apache-2.0 */
/* What a running job has printed so far, for those who watch it. References are counted: the job and all
 * who read share it. It is kept as long as there is room for results (lb/core/byte_budget.h); what is not
 * kept here is in the result, which has all of it. */
#ifndef PE_LB_CORE_LIVE_OUTPUT_H
#define PE_LB_CORE_LIVE_OUTPUT_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/byte_budget.h"

#include <stdbool.h>
#include <stddef.h>

enum live_stream { LIVE_STDOUT, LIVE_STDERR, LIVE_STREAMS };

struct live_output {
    unsigned refs;
    struct byte_budget *budget;
    struct pe_buf kept[LIVE_STREAMS]; /* the bytes behind those that were forgotten */
    size_t forgotten[LIVE_STREAMS];   /* bytes from the beginning */
    size_t received[LIVE_STREAMS];    /* bytes that arrived, kept or not */
    bool is_incomplete[LIVE_STREAMS]; /* something was not kept; what follows is not kept either */
    size_t held;                      /* bytes of the budget */
};

/* With one reference, and empty. `budget` must outlive it. NULL with PE_ERR_INTERNAL without memory. */
struct live_output *live_output_new(struct byte_budget *budget, struct pe_error *err);

/* Add a reference, and return `output`. */
struct live_output *live_output_ref(struct live_output *output);

/* Drop a reference. NULL is allowed. */
void live_output_unref(struct live_output *output);

/* Count the next bytes of a stream, and keep them if there is room. Returns false if they are not kept. */
bool live_output_append(struct live_output *output, enum live_stream stream, const void *bytes, size_t size);

/* The bytes that are kept from `position` on, which counts from the beginning of the stream. Empty if there
 * are none yet, or if they were forgotten or not kept. Valid until the next call of another function. */
struct pe_cursor live_output_from(const struct live_output *output, enum live_stream stream, size_t position);

/* The only reader has come to `position`, and needs nothing before it. */
void live_output_forget(struct live_output *output, enum live_stream stream, size_t position);

#endif
