/* SPDX-License-Identifier: Apache-2.0 */
/* From Piston's JSON to a job of one or two stages. Its files are decoded in files.c. */
#include "lb/piston/request.h"

#include "base/cleanup.h"
#include "codec/json_bounds.h"
#include "codec/json_reader.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOB_SLACK_MS = 5000 }; /* beyond the limits of its stages: to end one and start the next */

const struct pe_runtime_limits piston_default_limits = {
    .value = {[PE_LIMIT_COMPILE_MEMORY] = -1,
              [PE_LIMIT_RUN_MEMORY] = -1,
              [PE_LIMIT_COMPILE_TIMEOUT] = 10000,
              [PE_LIMIT_RUN_TIMEOUT] = 3000,
              [PE_LIMIT_COMPILE_CPU] = 10000,
              [PE_LIMIT_RUN_CPU] = 3000,
              [PE_LIMIT_OUTPUT] = 64 * 1024},
};

/* ---- reading ---- */

static bool is_filled_text(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) > 0;
}

static int check_body(const json_t *body, struct pe_error *err)
{
    const json_t *files = json_object_get(body, "files"), *file = NULL;
    size_t i = 0;
    if (!is_filled_text(json_object_get(body, "language")))
        return pe_fail(err, PE_ERR_INVALID, "language is required as a string");
    if (!is_filled_text(json_object_get(body, "version")))
        return pe_fail(err, PE_ERR_INVALID, "version is required as a string");
    if (!json_is_array(files))
        return pe_fail(err, PE_ERR_INVALID, "files is required as an array");
    json_array_foreach(files, i, file)
    {
        if (!json_is_string(json_object_get(file, "content")))
            return pe_fail(err, PE_ERR_INVALID, "files[%zu].content is required as a string", i);
    }
    return 0;
}

int piston_request_read(const void *body, size_t size, struct piston_request *request, struct pe_error *err)
{
    json_error_t where = {.text = "out of memory"};
    *request = (struct piston_request){0};
    if (size > PISTON_BODY_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "the request has %zu bytes; at most %u are allowed here, more with POST /v1/run", size,
                       PISTON_BODY_MAX);
    if (pe_json_check_bounds(body, size, PISTON_VALUES_MAX, err) < 0)
        return pe_fail_context(err, "the request");
    const struct pe_cursor text = pe_json_behind_mark(body, size);
    /* As in JavaScript, no number is too large. As in Piston, an empty body is an empty object. */
    request->body = text.left ? json_loadb((const char *)text.at, text.left,
                                           JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &where)
                              : json_object();
    if (!request->body)
        return pe_fail(err, PE_ERR_MALFORMED, "the request is not JSON: line %d, column %d: %s", where.line,
                       where.column, where.text);
    return check_body(request->body, err);
}

void piston_request_free(struct piston_request *request)
{
    json_decref(request->body);
    pe_buf_free(&request->contents);
    *request = (struct piston_request){0};
}

/* ---- limits ---- */

/* Read a number as JavaScript does. The error texts are those of Piston. */
static int parse_limit(const json_t *body, enum pe_runtime_limit limit, int64_t configured, int64_t *chosen,
                       struct pe_error *err)
{
    const char *name = pe_runtime_limit_names[limit];
    const json_t *value = json_object_get(body, name);
    double number = json_number_value(value);
    *chosen = configured;
    if (!value || json_is_null(value))
        return 0;
    bool is_nothing = json_is_false(value) || (json_is_string(value) && json_string_length(value) == 0);
    if (!json_is_number(value) && !is_nothing)
        return pe_fail(err, PE_ERR_INVALID, "If specified, %s must be a number", name);
    if (configured > 0 && number > (double)configured)
        return pe_fail(err, PE_ERR_INVALID, "%s cannot exceed the configured limit of %lld", name,
                       (long long)configured);
    if (configured > 0 && number < 0)
        return pe_fail(err, PE_ERR_INVALID, "%s must be non-negative", name);
    if (number == 0 && configured > 0)
        return 0; /* 0 would stand for no limit, and lift that of the operator */
    double most = (double)PE_GUEST_MEMORY_MIB * PE_MIB;
    number = number < -1 ? -1 : number > most ? most : number;
    *chosen = (int64_t)number + ((double)(int64_t)number < number); /* rounded up */
    return 0;
}

static int parse_limits(const json_t *body, const struct pe_runtime_limits *configured,
                        struct pe_runtime_limits *chosen, struct pe_error *err)
{
    *chosen = *configured;
    for (int i = 0; i < PE_LIMIT_PROCESSES; i++)
        if (parse_limit(body, (enum pe_runtime_limit)i, configured->value[i], &chosen->value[i], err) < 0)
            return -1;
    return 0;
}

static uint64_t positive(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

/* Every stage has a limit on its time: the operator cannot remove it, and a request cannot either. */
static struct pe_stage_limits stage_limits(const struct pe_runtime_limits *limits, bool compile)
{
    return (struct pe_stage_limits){
        .wall_ms = positive(limits->value[compile ? PE_LIMIT_COMPILE_TIMEOUT : PE_LIMIT_RUN_TIMEOUT]),
        .cpu_ms = positive(limits->value[compile ? PE_LIMIT_COMPILE_CPU : PE_LIMIT_RUN_CPU]),
        .memory_bytes = positive(limits->value[compile ? PE_LIMIT_COMPILE_MEMORY : PE_LIMIT_RUN_MEMORY]),
        .output_bytes = positive(limits->value[PE_LIMIT_OUTPUT]),
        .processes = positive(limits->value[PE_LIMIT_PROCESSES]),
        .file_bytes = positive(limits->value[PE_LIMIT_FILE_SIZE]),
        .open_files = positive(limits->value[PE_LIMIT_OPEN_FILES]),
    };
}

/* ---- arguments ---- */

/* Node passes numbers, booleans and null to a program as text. */
static int add_argument(struct pe_arguments *arguments, const json_t *value, size_t index,
                        struct pe_error *err)
{
    char number[40];
    const char *text = json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null";
    if (json_is_number(value)) {
        snprintf(number, sizeof number, "%.15g", json_number_value(value));
        text = number;
    } else if (json_is_string(value)) {
        text = json_string_value(value);
        if (strlen(text) != json_string_length(value))
            return pe_fail(err, PE_ERR_INVALID, "args[%zu] has a NUL character", index);
    } else if (json_is_array(value) || json_is_object(value)) {
        return pe_fail(err, PE_ERR_INVALID, "args[%zu] must be a string", index);
    }
    return pe_arguments_add(arguments, text, err);
}

static int parse_args(const json_t *body, struct pe_arguments *args, struct pe_error *err)
{
    const json_t *array = json_object_get(body, "args"), *value = NULL;
    size_t i = 0;
    if (!array || json_is_null(array))
        return 0;
    if (!json_is_array(array))
        return pe_fail(err, PE_ERR_INVALID, "args must be an array of strings");
    if (json_array_size(array) > PE_ARGS_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "more than %u args", PE_ARGS_MAX);
    json_array_foreach(array, i, value)
    {
        if (add_argument(args, value, i, err) < 0)
            return -1;
    }
    return 0;
}

static int add_all(struct pe_arguments *arguments, const struct pe_arguments *more, struct pe_error *err)
{
    for (size_t i = 0; i < more->count; i++)
        if (pe_arguments_add(arguments, more->items[i], err) < 0)
            return -1;
    return 0;
}

/* Expand the template of a runtime to the arguments of a stage. */
static int expand(const json_t *template, const struct pe_arguments *texts, const struct pe_arguments *args,
                  struct pe_arguments *arguments, struct pe_error *err)
{
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(template, i, item)
    {
        const char *text = json_string_value(item);
        const struct pe_arguments first = {.items = texts->items, .count = texts->count ? 1 : 0};
        const struct pe_arguments *many = !strcmp(text, "{files}")  ? texts
                                          : !strcmp(text, "{main}") ? &first
                                          : !strcmp(text, "{args}") ? args
                                                                    : NULL;
        if ((many ? add_all(arguments, many, err) : pe_arguments_add(arguments, text, err)) < 0)
            return -1;
    }
    return 0;
}

static int add_stage(struct pe_arguments *plan, const struct piston_runtime *runtime, const char *name,
                     const struct pe_stage_limits *limits, const struct pe_arguments *texts,
                     const struct pe_arguments *args, struct pe_error *err)
{
    pe_autoarguments struct pe_arguments arguments = {0};
    if (expand(json_object_get(runtime->json, name), texts, args, &arguments, err) < 0)
        return -1;
    return pe_stages_add(plan, name, limits, &arguments, err);
}

/* Check the limits that the decoder of jobs checks for others (proto/job_spec.c). */
static int check_arguments(const struct pe_arguments *plan, struct pe_error *err)
{
    size_t total = 0;
    if (plan->count > PE_ARGS_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "files and args are more than the %u arguments that a command may have", PE_ARGS_MAX);
    for (size_t i = 0; i < plan->count; i++) {
        size_t size = strlen(plan->items[i]);
        if (size > PE_TEXT_MAX)
            return pe_fail(err, PE_ERR_TOO_LARGE, "one of args has %zu bytes; at most %u are allowed", size,
                           PE_TEXT_MAX);
        total += size + 1;
    }
    if (total > PE_PROGRAM_BYTES_MAX / 2)
        return pe_fail(err, PE_ERR_TOO_LARGE, "args have %zu bytes together; at most %u are allowed", total,
                       PE_PROGRAM_BYTES_MAX / 2);
    return 0;
}

/* ---- the job ---- */

_Static_assert(2 * PE_STAGE_MS_MAX + JOB_SLACK_MS <= PE_STAGED_JOB_MS_MAX, "every stage gets its time");

static int plan_stages(const struct piston_runtime *runtime, const struct pe_runtime_limits *limits,
                       const json_t *body, const struct pe_arguments *texts, struct pe_job_spec *spec,
                       struct pe_error *err)
{
    pe_autoarguments struct pe_arguments plan = {0}, args = {0};
    struct pe_stage_limits compile = stage_limits(limits, true), run = stage_limits(limits, false);
    bool compiled = json_object_get(runtime->json, "compile") != NULL;
    if (parse_args(body, &args, err) < 0 || pe_stages_begin(&plan, spec->stdin_name, err) < 0 ||
        (compiled && add_stage(&plan, runtime, "compile", &compile, texts, &args, err) < 0) ||
        add_stage(&plan, runtime, "run", &run, texts, &args, err) < 0 || check_arguments(&plan, err) < 0)
        return -1;
    spec->timeout_ms = (uint32_t)((compiled ? compile.wall_ms : 0) + run.wall_ms + JOB_SLACK_MS);
    spec->cmd = plan.items;
    spec->cmd_count = plan.count;
    plan = (struct pe_arguments){0};
    return 0;
}

/* Results are not cached, because clients of Piston expect each call to run. No output file is
 * sent back: "." matches no path below /output. */
static int describe(const struct piston_runtime *runtime, struct pe_job_spec *spec, struct pe_error *err)
{
    spec->cache = false;
    spec->image = strdup(runtime->image);
    spec->env = calloc(2, sizeof *spec->env);
    spec->outputs = calloc(2, sizeof *spec->outputs);
    if (!spec->image || !spec->env || !spec->outputs)
        return pe_fail_errno(err, "cannot make a job");
    if (!(spec->outputs[0] = strdup(".")))
        return pe_fail_errno(err, "cannot make a job");
    spec->output_count = 1;
    if (asprintf(&spec->env[0], "PISTON_LANGUAGE=%s", runtime->language) < 0)
        return pe_fail_errno(err, "cannot make a job");
    spec->env_count = 1;
    return 0;
}

static bool find(const struct piston_request *request, const struct scheduler *scheduler,
                 struct piston_runtime *runtime)
{
    const json_t *language = json_object_get(request->body, "language");
    const json_t *version = json_object_get(request->body, "version");
    bool without_nul = strlen(json_string_value(language)) == json_string_length(language) &&
                       strlen(json_string_value(version)) == json_string_length(version);
    return without_nul &&
           piston_find_runtime(scheduler, json_string_value(language), json_string_value(version), runtime);
}

bool piston_request_fits(const struct piston_request *request, const struct scheduler *scheduler)
{
    struct piston_runtime runtime;
    return find(request, scheduler, &runtime);
}

static int unknown_runtime(const json_t *body, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INVALID, "%.400s-%.400s runtime is unknown",
                   json_string_value(json_object_get(body, "language")),
                   json_string_value(json_object_get(body, "version")));
}

/* The language "file" runs a file that the client sends, which may be a binary. */
static bool takes_binaries(const struct piston_runtime *runtime)
{
    return !strcmp(runtime->language, "file");
}

static int check_has_text(const json_t *body, const struct piston_runtime *runtime, struct pe_error *err)
{
    size_t i = 0;
    const json_t *file = NULL;
    json_array_foreach(json_object_get(body, "files"), i, file)
    {
        if (piston_file_is_text(file))
            return 0;
    }
    return takes_binaries(runtime)
               ? 0
               : pe_fail(err, PE_ERR_INVALID, "files must include at least one utf8 encoded file");
}

int piston_request_resolve(struct piston_request *request, const struct scheduler *scheduler,
                           const struct pe_runtime_limits *limits, struct submission *submission,
                           struct pe_error *err)
{
    struct piston_runtime runtime;
    struct pe_runtime_limits chosen;
    pe_autoarguments struct pe_arguments texts = {0};
    if (!find(request, scheduler, &runtime))
        return unknown_runtime(request->body, err);
    if (check_has_text(request->body, &runtime, err) < 0)
        return -1;
    const struct pe_runtime_limits configured = piston_limits_of(&runtime, limits);
    if (parse_limits(request->body, &configured, &chosen, err) < 0 ||
        piston_files_decode(request->body, takes_binaries(&runtime), !request->is_interactive,
                            &request->contents, submission, &texts, err) < 0)
        return -1;
    if (request->is_interactive)
        chosen.value[PE_LIMIT_OUTPUT] = 0;
    if (plan_stages(&runtime, &chosen, request->body, &texts, &submission->spec, err) < 0 ||
        describe(&runtime, &submission->spec, err) < 0 || submission_check(submission, err) < 0)
        return -1;
    snprintf(request->language, sizeof request->language, "%s", runtime.language);
    snprintf(request->version, sizeof request->version, "%s",
             json_string_value(json_object_get(runtime.json, "version")));
    request->compiled = json_object_get(runtime.json, "compile") != NULL;
    json_decref(request->body);
    request->body = NULL;
    return 0;
}
