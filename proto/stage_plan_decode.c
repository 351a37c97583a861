/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of plans (proto/stage_plan.h). They are not trusted: every text, number and range is checked, and
 * what follows the first fault is not read. */
#include "proto/stage_plan.h"

#include <stdlib.h>
#include <string.h>

struct decoder {
    struct pe_cursor texts, bytes;
    const char *fault; /* NULL: none yet */
};

static void fail(struct decoder *decoder, const char *fault)
{
    if (!decoder->fault)
        decoder->fault = fault;
}

/* The next text; an empty one after a fault. */
static const char *get_text(struct decoder *decoder)
{
    size_t size = 0;
    const uint8_t *text = decoder->fault ? NULL : pe_cursor_read_until(&decoder->texts, '\0', &size);
    if (!text)
        fail(decoder, "ends early");
    return text ? (const char *)text : "";
}

static uint64_t parse_number(struct decoder *decoder, const char *text, uint64_t most)
{
    uint64_t number = 0;
    if (!*text)
        fail(decoder, "has an empty number");
    for (const char *at = text; *at && !decoder->fault; at++) {
        if (*at < '0' || *at > '9' || number > (UINT64_MAX - 9) / 10)
            fail(decoder, "has an invalid number");
        number = number * 10 + (uint64_t)(*at - '0');
    }
    if (number > most)
        fail(decoder, "has a number that is too great");
    return decoder->fault ? 0 : number;
}

static uint64_t get_number(struct decoder *decoder, uint64_t most)
{
    return parse_number(decoder, get_text(decoder), most);
}

static void get_list(struct decoder *decoder, uint64_t most, struct pe_arguments *list)
{
    struct pe_error ignored;
    const uint64_t count = get_number(decoder, most);
    for (uint64_t i = 0; i < count && !decoder->fault; i++)
        if (pe_arguments_add(list, get_text(decoder), &ignored) < 0)
            fail(decoder, "does not fit into memory");
}

static void get_bytes(struct decoder *decoder, struct pe_plan_bytes *bytes)
{
    const char *text = get_text(decoder);
    if (!*text)
        return;
    const uint64_t offset = parse_number(decoder, text, decoder->bytes.left);
    const uint64_t size = get_number(decoder, decoder->bytes.left - offset);
    if (!decoder->fault)
        *bytes = (struct pe_plan_bytes){.data = decoder->bytes.at + offset, .size = size};
}

static void get_limits(struct decoder *decoder, struct pe_stage_limits *limits)
{
    const uint64_t any = INT64_MAX;
    limits->wall_ms = get_number(decoder, PE_STAGE_MS_MAX);
    limits->cpu_ms = get_number(decoder, PE_STAGE_MS_MAX);
    limits->memory_bytes = get_number(decoder, any);
    limits->output_bytes = get_number(decoder, any);
    limits->error_bytes = get_number(decoder, any);
    limits->processes = get_number(decoder, any);
    limits->file_bytes = get_number(decoder, any);
    limits->open_files = get_number(decoder, any);
}

static bool is_hash(const char *text)
{
    return strlen(text) == PE_SHA256_HEX_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == PE_SHA256_HEX_SIZE - 1;
}

static void get_run(struct decoder *decoder, const struct pe_plan *plan, struct pe_plan_run *run)
{
    struct pe_plan_expect *expect = &run->expect;
    get_limits(decoder, &run->limits);
    get_bytes(decoder, &run->input);
    expect->exit_code = (unsigned)get_number(decoder, 255);
    expect->compare = (enum pe_expect_compare)get_number(decoder, PE_EXPECT_EXACT);
    const char *hash = get_text(decoder);
    if (is_hash(hash))
        memcpy(expect->sha256, hash, PE_SHA256_HEX_SIZE);
    else if (*hash)
        fail(decoder, "has an invalid hash");
    expect->checker = (int)get_number(decoder, plan->checker_count) - 1;
    get_bytes(decoder, &expect->answer);
}

static void get_checker(struct decoder *decoder, struct pe_plan_checker *checker)
{
    get_limits(decoder, &checker->limits);
    get_list(decoder, PE_ARGS_MAX, &checker->arguments);
    get_list(decoder, PE_ENV_MAX, &checker->environment);
    if (!checker->arguments.count)
        fail(decoder, "has a checker without a command");
}

static void get_stage(struct decoder *decoder, const struct pe_plan *plan, struct pe_plan_stage *stage)
{
    const char *name = get_text(decoder);
    const size_t length = strlen(name);
    if (length == 0 || length > PE_STAGE_NAME_MAX) {
        fail(decoder, "has an invalid name");
        return;
    }
    memcpy(stage->name, name, length);
    stage->needs = (unsigned)get_number(decoder, (1u << plan->stage_count) - 1);
    get_list(decoder, PE_ARGS_MAX, &stage->arguments);
    get_list(decoder, PE_ENV_MAX, &stage->environment);
    get_run(decoder, plan, &stage->run);
    if (!stage->arguments.count)
        fail(decoder, "has a stage without a command");
}

static void get_case(struct decoder *decoder, const struct pe_plan *plan, struct pe_plan_case *one)
{
    const struct pe_plan_case *before = plan->case_count ? one - 1 : NULL;
    one->number = (unsigned)get_number(decoder, PE_CASES_MAX - 1);
    if (before && one->number <= before->number)
        fail(decoder, "has cases that are not in order");
    get_list(decoder, PE_ARGS_MAX, &one->arguments);
    get_run(decoder, plan, &one->run);
}

static void get_cases(struct decoder *decoder, struct pe_plan *plan)
{
    const uint64_t count = get_number(decoder, PE_CASES_MAX);
    plan->cases = calloc(count + 1, sizeof *plan->cases);
    if (!plan->cases)
        fail(decoder, "does not fit into memory");
    for (; plan->case_count < count && !decoder->fault; plan->case_count++)
        get_case(decoder, plan, &plan->cases[plan->case_count]);
}

/* `checker_count` and `stage_count` are always those that were read completely: a checker must be there when
 * it is named, and a stage needs earlier ones. */
static void get_plan(struct decoder *decoder, struct pe_plan *plan)
{
    plan->stop = get_number(decoder, 1);
    plan->report_bytes = get_number(decoder, PE_OUTPUT_BYTES_MAX);
    const uint64_t checkers = get_number(decoder, PE_CHECKERS_MAX);
    for (; plan->checker_count < checkers && !decoder->fault; plan->checker_count++)
        get_checker(decoder, &plan->checkers[plan->checker_count]);
    const uint64_t stages = get_number(decoder, PE_STAGES_MAX);
    for (; plan->stage_count < stages && !decoder->fault; plan->stage_count++)
        get_stage(decoder, plan, &plan->stages[plan->stage_count]);
    if (!plan->stage_count)
        fail(decoder, "has no stage");
    get_cases(decoder, plan);
    if (decoder->texts.left)
        fail(decoder, "has more texts than a plan");
    if (plan->report_bytes < pe_plan_report_least(plan))
        fail(decoder, "has a report that is too small");
}

int pe_plan_decode(const void *bytes, size_t size, struct pe_plan *plan, struct pe_error *err)
{
    struct decoder decoder = {.texts = {.at = bytes, .left = size}};
    *plan = (struct pe_plan){0};
    if (strcmp(get_text(&decoder), PE_PLAN_MAGIC) != 0)
        fail(&decoder, "does not begin as one");
    const char *text = get_text(&decoder);
    const uint64_t texts = parse_number(&decoder, text, decoder.texts.left);
    decoder.bytes = decoder.texts;
    decoder.texts.left = texts;
    if (!decoder.fault) {
        pe_cursor_read(&decoder.bytes, texts);
        get_plan(&decoder, plan);
    }
    return decoder.fault ? pe_fail(err, PE_ERR_MALFORMED, "a plan of stages %s", decoder.fault) : 0;
}
