/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding of plans. proto/stage_plan_decode.c is its reverse. */
#include "proto/stage_plan.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

uint64_t pe_plan_report_least(const struct pe_plan *plan)
{
    return (plan->stage_count + plan->case_count) * 2 * PE_PLAN_RUN_ROOM;
}

void pe_plan_free(struct pe_plan *plan)
{
    for (size_t i = 0; i < PE_STAGES_MAX; i++) {
        pe_arguments_free(&plan->stages[i].arguments);
        pe_arguments_free(&plan->stages[i].environment);
    }
    for (size_t i = 0; i < PE_CHECKERS_MAX; i++) {
        pe_arguments_free(&plan->checkers[i].arguments);
        pe_arguments_free(&plan->checkers[i].environment);
    }
    for (size_t i = 0; i < plan->case_count; i++)
        pe_arguments_free(&plan->cases[i].arguments);
    free(plan->cases);
    *plan = (struct pe_plan){0};
}

/* ---- encoding ---- */

/* Where bytes are that were written already. */
struct place {
    const uint8_t *data;
    size_t size, offset;
};

struct encoder {
    struct pe_buf texts, bytes;
    struct place *places; /* owned, with room for all bytes of the plan */
    size_t place_count;
    struct pe_error *err;
    bool failed;
};

/* The first failure is kept, and nothing is appended after it. */
static void put_text(struct encoder *encoder, const char *text)
{
    encoder->failed =
        encoder->failed || pe_buf_append(&encoder->texts, text, strlen(text) + 1, encoder->err) < 0;
}

static void put_number(struct encoder *encoder, uint64_t number)
{
    encoder->failed = encoder->failed || pe_buf_append_number(&encoder->texts, number, encoder->err) < 0 ||
                      pe_buf_append(&encoder->texts, "", 1, encoder->err) < 0;
}

static void put_list(struct encoder *encoder, const struct pe_arguments *list)
{
    put_number(encoder, list->count);
    for (size_t i = 0; i < list->count; i++)
        put_text(encoder, list->items[i]);
}

static const struct place *find_place(const struct encoder *encoder, const struct pe_plan_bytes *bytes)
{
    for (size_t i = 0; i < encoder->place_count; i++)
        if (encoder->places[i].data == bytes->data && encoder->places[i].size == bytes->size)
            return &encoder->places[i];
    return NULL;
}

/* No bytes are an empty text for the offset. */
static void put_bytes(struct encoder *encoder, const struct pe_plan_bytes *bytes)
{
    if (!bytes->data) {
        put_text(encoder, "");
        return;
    }
    const struct place *place = find_place(encoder, bytes);
    if (!place) {
        encoder->places[encoder->place_count] =
            (struct place){.data = bytes->data, .size = bytes->size, .offset = encoder->bytes.size};
        place = &encoder->places[encoder->place_count++];
        encoder->failed =
            encoder->failed || pe_buf_append(&encoder->bytes, bytes->data, bytes->size, encoder->err) < 0;
    }
    put_number(encoder, place->offset);
    put_number(encoder, place->size);
}

static void put_limits(struct encoder *encoder, const struct pe_stage_limits *limits)
{
    const uint64_t numbers[] = {limits->wall_ms,      limits->cpu_ms,      limits->memory_bytes,
                                limits->output_bytes, limits->error_bytes, limits->processes,
                                limits->file_bytes,   limits->open_files};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        put_number(encoder, numbers[i]);
}

static void put_run(struct encoder *encoder, const struct pe_plan_run *run)
{
    const struct pe_plan_expect *expect = &run->expect;
    put_limits(encoder, &run->limits);
    put_bytes(encoder, &run->input);
    put_number(encoder, expect->exit_code);
    put_number(encoder, expect->compare);
    put_text(encoder, expect->sha256);
    put_number(encoder, expect->checker < 0 ? 0 : (uint64_t)expect->checker + 1); /* 0: none */
    put_bytes(encoder, &expect->answer);
}

static void put_plan(struct encoder *encoder, const struct pe_plan *plan)
{
    put_number(encoder, plan->stop);
    put_number(encoder, plan->report_bytes);
    put_number(encoder, plan->checker_count);
    for (size_t i = 0; i < plan->checker_count; i++) {
        put_limits(encoder, &plan->checkers[i].limits);
        put_list(encoder, &plan->checkers[i].arguments);
        put_list(encoder, &plan->checkers[i].environment);
    }
    put_number(encoder, plan->stage_count);
    for (size_t i = 0; i < plan->stage_count; i++) {
        put_text(encoder, plan->stages[i].name);
        put_number(encoder, plan->stages[i].needs);
        put_list(encoder, &plan->stages[i].arguments);
        put_list(encoder, &plan->stages[i].environment);
        put_run(encoder, &plan->stages[i].run);
    }
    put_number(encoder, plan->case_count);
    for (size_t i = 0; i < plan->case_count; i++) {
        put_number(encoder, plan->cases[i].number);
        put_list(encoder, &plan->cases[i].arguments);
        put_run(encoder, &plan->cases[i].run);
    }
}

static int finish(struct encoder *encoder, struct pe_buf *out)
{
    struct pe_error *err = encoder->err;
    if (encoder->failed || pe_buf_append(out, PE_PLAN_MAGIC, sizeof PE_PLAN_MAGIC, err) < 0 ||
        pe_buf_append_number(out, encoder->texts.size, err) < 0 || pe_buf_append(out, "", 1, err) < 0 ||
        pe_buf_append(out, encoder->texts.data, encoder->texts.size, err) < 0 ||
        pe_buf_append(out, encoder->bytes.data, encoder->bytes.size, err) < 0)
        return pe_fail_context(err, "the plan of the stages");
    return 0;
}

int pe_plan_encode(const struct pe_plan *plan, struct pe_buf *out, struct pe_error *err)
{
    struct encoder encoder = {
        .texts = {.limit = PE_INPUT_BYTES_MAX}, .bytes = {.limit = PE_INPUT_BYTES_MAX}, .err = err};
    encoder.places = calloc(2 * (plan->stage_count + plan->case_count) + 1, sizeof *encoder.places);
    if (!encoder.places)
        return pe_fail_errno(err, "out of memory for a plan of %zu cases", plan->case_count);
    put_plan(&encoder, plan);
    int failed = finish(&encoder, out);
    free(encoder.places);
    pe_buf_free(&encoder.texts);
    pe_buf_free(&encoder.bytes);
    return failed;
}
