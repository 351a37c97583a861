/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the plan of stages in the arguments of a job. The guest's side is guest-init/stage_plan.c. */
#include "proto/stages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- arguments ---- */

int pe_arguments_add(struct pe_arguments *arguments, const char *argument, struct pe_error *err)
{
    /* The list grows at powers of two, and always has room for the NULL. */
    if ((arguments->count & (arguments->count + 1)) == 0) {
        char **grown = realloc(arguments->items, (arguments->count * 2 + 2) * sizeof *grown);
        if (!grown)
            return pe_fail_errno(err, "%zu arguments", arguments->count);
        arguments->items = grown;
    }
    arguments->items[arguments->count] = strdup(argument);
    if (!arguments->items[arguments->count])
        return pe_fail_errno(err, "an argument");
    arguments->items[++arguments->count] = NULL;
    return 0;
}

void pe_arguments_free(struct pe_arguments *arguments)
{
    for (size_t i = 0; i < arguments->count; i++)
        free(arguments->items[i]);
    free(arguments->items);
    *arguments = (struct pe_arguments){0};
}

static int add_number(struct pe_arguments *arguments, uint64_t number, struct pe_error *err)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return pe_arguments_add(arguments, text, err);
}

int pe_stages_begin(struct pe_arguments *plan, const char *stdin_name, struct pe_error *err)
{
    if (pe_arguments_add(plan, PE_STAGES_PROGRAM, err) < 0 ||
        pe_arguments_add(plan, PE_STAGES_ARGUMENT, err) < 0)
        return -1;
    return pe_arguments_add(plan, stdin_name ? stdin_name : "", err);
}

int pe_stages_add(struct pe_arguments *plan, const char *name, const struct pe_stage_limits *limits,
                  const struct pe_arguments *arguments, struct pe_error *err)
{
    const uint64_t numbers[PE_STAGE_PLAN_NUMBERS] = {
        limits->wall_ms,   limits->cpu_ms,     limits->memory_bytes, limits->output_bytes,
        limits->processes, limits->file_bytes, limits->open_files,   arguments->count};
    if (pe_arguments_add(plan, name, err) < 0)
        return -1;
    for (size_t i = 0; i < PE_STAGE_PLAN_NUMBERS; i++)
        if (add_number(plan, numbers[i], err) < 0)
            return -1;
    for (size_t i = 0; i < arguments->count; i++)
        if (pe_arguments_add(plan, arguments->items[i], err) < 0)
            return -1;
    return 0;
}
