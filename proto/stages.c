/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the plan of stages and reading their report. The guest's side is guest-init/stage_plan.c and
 * guest-init/stages.c. */
#include "proto/stages.h"

#include "codec/flat.h"
#include "proto/combined.h"

#include <limits.h>
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

/* ---- the report ---- */

static int malformed(struct pe_error *err, const char *what)
{
    return pe_fail(err, PE_ERR_MALFORMED, "a report of stages %s", what);
}

static int begin_stage(struct pe_stages *stages, struct pe_cursor name, struct pe_error *err)
{
    if (stages->count == PE_STAGES_MAX || name.left == 0 || name.left > PE_STAGE_NAME_MAX ||
        memchr(name.at, '\0', name.left))
        return malformed(err, "begins an invalid stage");
    struct pe_stage_report *stage = &stages->items[stages->count++];
    memcpy(stage->name, name.at, name.left);
    return 0;
}

static int parse_end(struct pe_stage_report *stage, const char *value, struct pe_error *err)
{
    static const char *const names[PE_STAGE_ENDS] = PE_STAGE_END_NAMES;
    for (int i = 0; i < PE_STAGE_ENDS; i++)
        if (!strcmp(value, names[i])) {
            stage->end = (enum pe_stage_end)i;
            stage->ended = true;
            return 0;
        }
    return malformed(err, "has an unknown end of a stage");
}

static int end_stage(struct pe_stage_report *stage, struct pe_cursor text, struct pe_error *err)
{
    uint64_t code = 0, signal = 0;
    struct pe_flat_number numbers[] = {
        {"code", 255, &code, false},
        {"signal", 127, &signal, false},
        {"wall_us", INT64_MAX, &stage->wall_us, false},
        {"user_us", INT64_MAX, &stage->user_us, false},
        {"system_us", INT64_MAX, &stage->system_us, false},
        {"max_rss_kib", INT64_MAX / 1024, &stage->max_rss_kib, false},
        {"oom_kills", UINT32_MAX, &stage->oom_kills, false},
        {"held_kib", INT64_MAX / 1024, &stage->held_kib, false},
    };
    struct pe_flat_entry entry;
    int got = 0;
    while ((got = pe_flat_next(&text, &entry, err)) > 0)
        if (pe_flat_parse_number(&entry, numbers, sizeof numbers / sizeof *numbers, err) < 0 ||
            (!strcmp(entry.key, "end") && parse_end(stage, entry.value, err) < 0))
            return -1;
    if (got < 0)
        return -1;
    stage->code = (int)code;
    stage->signal = (int)signal;
    return stage->ended ? 0 : malformed(err, "does not say how a stage ended");
}

static int add_output(struct pe_stage_report *stage, struct pe_buf *stream, size_t *held,
                      struct pe_cursor bytes, struct pe_error *err)
{
    if (pe_buf_append(stream, bytes.at, bytes.left, err) < 0)
        return -1;
    return pe_combined_append(&stage->both, stream, bytes.left, held, err);
}

/* The end of a stage's stream. What the program wrote is kept as it is, unless it was killed. */
static int end_output(struct pe_stage_report *stage, struct pe_buf *stream, size_t *held,
                      struct pe_error *err)
{
    bool is_whole = stage->ended && (stage->end == PE_STAGE_EXITED || stage->end == PE_STAGE_SIGNALED);
    if (is_whole)
        return pe_combined_finish(&stage->both, stream, held, err);
    stream->size -= *held;
    *held = 0;
    return 0;
}

static int end_outputs(struct pe_stages *stages, struct pe_error *err)
{
    for (size_t i = 0; i < stages->count; i++) {
        struct pe_stage_report *stage = &stages->items[i];
        if (end_output(stage, &stage->out, &stage->out_held, err) < 0 ||
            end_output(stage, &stage->error, &stage->error_held, err) < 0)
            return -1;
    }
    return 0;
}

static int read_frame(struct pe_stages *stages, uint8_t kind, struct pe_cursor bytes, struct pe_error *err)
{
    if (kind == PE_STAGE_BEGIN)
        return begin_stage(stages, bytes, err);
    struct pe_stage_report *stage = stages->count ? &stages->items[stages->count - 1] : NULL;
    if (!stage || stage->ended)
        return malformed(err, "has output outside of a stage");
    if (kind == PE_STAGE_END)
        return end_stage(stage, bytes, err);
    if (kind != PE_STAGE_OUT && kind != PE_STAGE_ERR)
        return malformed(err, "has a frame of an unknown kind");
    return kind == PE_STAGE_OUT ? add_output(stage, &stage->out, &stage->out_held, bytes, err)
                                : add_output(stage, &stage->error, &stage->error_held, bytes, err);
}

int pe_stages_read(const void *bytes, size_t size, struct pe_stages *stages, struct pe_error *err)
{
    *stages = (struct pe_stages){0};
    struct pe_cursor rest = {.at = bytes, .left = size};
    const uint8_t *head = NULL;
    while ((head = pe_cursor_read(&rest, PE_STAGE_FRAME_HEAD))) {
        struct pe_cursor frame = {.left = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]};
        frame.at = pe_cursor_read(&rest, frame.left);
        if (!frame.at)
            break;
        if (read_frame(stages, head[0], frame, err) < 0)
            return -1;
    }
    return end_outputs(stages, err);
}

void pe_stages_free(struct pe_stages *stages)
{
    for (size_t i = 0; i < stages->count; i++) {
        pe_buf_free(&stages->items[i].out);
        pe_buf_free(&stages->items[i].error);
        pe_buf_free(&stages->items[i].both);
    }
    *stages = (struct pe_stages){0};
}
