/* SPDX-License-Identifier: Apache-2.0 */
/* Plans of stages, as pe-shim reads them. The lines of the input are the arguments. A plan that is
 * accepted keeps the limits, and is the same after the balancer has written it. */
#include "base/cleanup.h"
#include "guest-init/stage_plan.h"
#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"

enum { LINES_MAX = 2048 };

/* Append the stage as the balancer does. */
static void write_stage(const struct stage *stage, struct pe_arguments *plan)
{
    struct pe_error err;
    struct pe_arguments arguments = {.items = stage->arguments};
    const struct pe_stage_limits limits = {
        .wall_ms = stage->wall_us / 1000,
        .cpu_ms = stage->cpu_us / 1000,
        .memory_bytes = stage->memory_bytes,
        .output_bytes = stage->output_bytes,
        .processes = stage->processes,
        .file_bytes = stage->file_bytes,
        .open_files = stage->open_files,
    };
    while (arguments.items[arguments.count])
        arguments.count++;
    HOLDS(arguments.count >= 1 && arguments.count <= PE_ARGS_MAX);
    HOLDS(limits.wall_ms <= PE_STAGE_MS_MAX && limits.cpu_ms <= PE_STAGE_MS_MAX);
    HOLDS(stage->name[0] && strlen(stage->name) <= PE_STAGE_NAME_MAX);
    HOLDS(pe_stages_add(plan, stage->name, &limits, &arguments, &err) == 0);
}

static void free_stages(struct stage stages[PE_STAGES_MAX])
{
    for (size_t i = 0; i < PE_STAGES_MAX; i++)
        free(stages[i].arguments);
}

static bool same_number(const char *a, const char *b)
{
    return strtoull(a, NULL, 10) == strtoull(b, NULL, 10);
}

/* The arguments are the same, except for zeros in front of numbers. */
static void check_plan(char *const *lines, const struct stage *stages, size_t count)
{
    pe_autoarguments struct pe_arguments plan = {0};
    for (size_t i = 0; i < count; i++)
        write_stage(&stages[i], &plan);
    for (size_t i = 0; i < plan.count; i++)
        HOLDS(!strcmp(lines[i], plan.items[i]) || same_number(lines[i], plan.items[i]));
    HOLDS(!lines[plan.count]);
    struct stage again[PE_STAGES_MAX] = {0};
    HOLDS(stage_plan_read(plan.items, again) == count);
    free_stages(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char *lines[LINES_MAX + 1];
    struct pe_cursor rest = {.at = bytes, .left = size};
    struct stage stages[PE_STAGES_MAX] = {0};
    size_t count = 0;
    while (rest.left && count < LINES_MAX)
        lines[count++] = fuzz_line(&rest);
    lines[count] = NULL;
    size_t found = stage_plan_read(lines, stages);
    HOLDS(found <= PE_STAGES_MAX);
    if (found)
        check_plan(lines, stages, found);
    free_stages(stages);
    while (count)
        free(lines[--count]);
    return 0;
}
