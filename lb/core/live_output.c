/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of both streams, and their part of the budget. Who reads them, and how far, is not known here. */
#include "lb/core/live_output.h"

#include <stdlib.h>

/* What a single reader has read moves out of memory in steps of this size: each step moves the rest. */
enum { FORGET_MIN = 64 * 1024 };

static void settle(struct live_output *output)
{
    size_t holds = sizeof *output;
    for (int i = 0; i < LIVE_STREAMS; i++)
        holds += output->kept[i].capacity;
    output->budget->used += holds - output->held;
    output->held = holds;
}

struct live_output *live_output_new(struct byte_budget *budget, struct pe_error *err)
{
    struct live_output *output = calloc(1, sizeof *output);
    if (!output) {
        pe_fail_errno(err, "cannot keep the output of a running job");
        return NULL;
    }
    output->refs = 1;
    output->budget = budget;
    settle(output);
    return output;
}

struct live_output *live_output_ref(struct live_output *output)
{
    output->refs++;
    return output;
}

void live_output_unref(struct live_output *output)
{
    if (!output || --output->refs)
        return;
    for (int i = 0; i < LIVE_STREAMS; i++)
        pe_buf_free(&output->kept[i]);
    output->budget->used -= output->held;
    free(output);
}

bool live_output_append(struct live_output *output, enum live_stream stream, const void *bytes, size_t size)
{
    struct pe_buf *kept = &output->kept[stream];
    struct pe_error ignored;
    output->received[stream] += size;
    if (output->is_incomplete[stream])
        return false;
    bool needs_memory = size > kept->capacity - kept->size;
    /* Half of the room is left for results, because their readers are cut off when there is none. */
    size_t wanted = output->budget->max / 2 + kept->capacity + size;
    if ((needs_memory && !byte_budget_has_room(output->budget, wanted)) ||
        pe_buf_append(kept, bytes, size, &ignored) < 0)
        output->is_incomplete[stream] = true;
    settle(output);
    return !output->is_incomplete[stream];
}

struct pe_cursor live_output_from(const struct live_output *output, enum live_stream stream, size_t position)
{
    const struct pe_buf *kept = &output->kept[stream];
    size_t forgotten = output->forgotten[stream];
    if (position < forgotten || position - forgotten >= kept->size)
        return (struct pe_cursor){0};
    return (struct pe_cursor){.at = kept->data + (position - forgotten),
                              .left = kept->size - (position - forgotten)};
}

void live_output_forget(struct live_output *output, enum live_stream stream, size_t position)
{
    struct pe_buf *kept = &output->kept[stream];
    size_t read = position > output->forgotten[stream] ? position - output->forgotten[stream] : 0;
    if (read > kept->size || read < FORGET_MIN)
        return;
    pe_buf_consume(kept, read);
    output->forgotten[stream] += read;
    if (kept->size == 0)
        pe_buf_free(kept);
    settle(output);
}
