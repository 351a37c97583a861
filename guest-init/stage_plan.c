/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the plan of stages. A client can write one, so it is not trusted. guest-init/stages.c runs it. */
#include "guest-init/stage_plan.h"

#include "proto/limits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool parse_number(char *const **at, uint64_t *number)
{
    const char *argument = **at;
    char *end = NULL;
    errno = 0;
    *number = argument ? strtoull(argument, &end, 10) : 0;
    if (!argument || *argument < '0' || *argument > '9' || *end || errno)
        return false;
    ++*at;
    return true;
}

static bool parse_stage(char *const **at, struct stage *stage)
{
    uint64_t wall_ms = 0, cpu_ms = 0, count = 0;
    stage->name = *(*at)++;
    if (!*stage->name || strlen(stage->name) > PE_STAGE_NAME_MAX || !parse_number(at, &wall_ms) ||
        !parse_number(at, &cpu_ms) || !parse_number(at, &stage->memory_bytes) ||
        !parse_number(at, &stage->output_bytes) || !parse_number(at, &stage->processes) ||
        !parse_number(at, &stage->file_bytes) || !parse_number(at, &stage->open_files) ||
        !parse_number(at, &count) || count == 0 || wall_ms > PE_STAGE_MS_MAX || cpu_ms > PE_STAGE_MS_MAX ||
        count > PE_ARGS_MAX)
        return false;
    stage->wall_us = wall_ms * 1000;
    stage->cpu_us = cpu_ms * 1000;
    stage->error_bytes = stage->output_bytes;
    stage->arguments = calloc(count + 1, sizeof *stage->arguments);
    for (uint64_t i = 0; stage->arguments && i < count; i++)
        if (!(stage->arguments[i] = **at) || !++*at)
            return false;
    return stage->arguments != NULL;
}

size_t stage_plan_read(char *const *at, struct stage stages[PE_STAGES_MAX])
{
    size_t count = 0;
    while (*at)
        if (count == PE_STAGES_MAX || !parse_stage(&at, &stages[count++]))
            return 0;
    return count;
}
