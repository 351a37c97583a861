/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the plan of a job, and the job around it. */
#include "lb/cases/plan.h"

#include "base/cleanup.h"
#include "proto/limits.h"
#include "proto/stage_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ---- */

static int add_texts(struct pe_arguments *arguments, const struct case_texts *texts, struct pe_error *err)
{
    for (size_t i = 0; i < texts->count; i++)
        if (pe_arguments_add(arguments, texts->items[i], err) < 0)
            return -1;
    return 0;
}

static struct pe_plan_bytes bytes_of(const struct case_bytes *bytes)
{
    static const uint8_t nothing[1];
    if (!bytes->is_given)
        return (struct pe_plan_bytes){0};
    return (struct pe_plan_bytes){.data = bytes->bytes.left ? bytes->bytes.at : nothing,
                                  .size = bytes->bytes.left};
}

/* ---- checkers ---- */

static bool are_equal(const struct pe_arguments *arguments, const struct case_texts *texts)
{
    bool equal = arguments->count == texts->count;
    for (size_t i = 0; equal && i < texts->count; i++)
        equal = !strcmp(arguments->items[i], texts->items[i]);
    return equal;
}

/* Runs with the same checker share it. A checker has the time of a job without stages, and the environment of
 * the last stage. */
static int find_checker(struct pe_plan *plan, const struct case_request *request,
                        const struct case_texts *command, int *index, struct pe_error *err)
{
    size_t at = 0;
    while (at < plan->checker_count && !are_equal(&plan->checkers[at].arguments, command))
        at++;
    *index = (int)at;
    if (at < plan->checker_count)
        return 0;
    if (at == PE_CHECKERS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "the stages and cases have more than %u different checkers",
                       PE_CHECKERS_MAX);
    struct pe_plan_checker *checker = &plan->checkers[plan->checker_count++];
    checker->limits = (struct pe_stage_limits){
        .wall_ms = CASE_CHECKER_MS, .output_bytes = CASE_CHECKER_BYTES, .error_bytes = CASE_CHECKER_BYTES};
    if (add_texts(&checker->arguments, command, err) < 0)
        return -1;
    return add_texts(&checker->environment, &request->stages[request->stage_count - 1].env, err);
}

/* ---- runs ---- */

/* The guest needs no more than a hash to know whether an output is right, unless a checker decides. */
static int set_expect(struct pe_plan *plan, const struct case_request *request,
                      const struct case_expect *wanted, struct pe_plan_expect *expect, struct pe_error *err)
{
    expect->exit_code = wanted->exit_code;
    expect->compare = wanted->is_exact ? PE_EXPECT_EXACT : PE_EXPECT_TRAILING_SPACE;
    expect->checker = PE_PLAN_NO_CHECKER;
    if (wanted->checker.items) {
        expect->answer = bytes_of(&wanted->output);
        return find_checker(plan, request, &wanted->checker, &expect->checker, err);
    }
    memcpy(expect->sha256, wanted->sha256, sizeof wanted->sha256);
    return 0;
}

static int set_run(struct pe_plan *plan, const struct case_request *request, const struct case_run *wanted,
                   struct pe_plan_run *run, struct pe_error *err)
{
    run->limits = (struct pe_stage_limits){.wall_ms = wanted->timeout_ms,
                                           .cpu_ms = wanted->cpu_ms,
                                           .memory_bytes = (uint64_t)wanted->memory_mib * PE_MIB,
                                           .output_bytes = wanted->stdout_max,
                                           .error_bytes = wanted->stderr_max};
    run->input = bytes_of(&wanted->input);
    plan->report_bytes += (uint64_t)wanted->stdout_max + wanted->stderr_max;
    return set_expect(plan, request, &wanted->expect, &run->expect, err);
}

/* ---- the plan ---- */

static int add_stages(struct pe_plan *plan, const struct case_request *request, struct pe_error *err)
{
    for (size_t i = 0; i < request->stage_count; i++) {
        const struct case_stage *wanted = &request->stages[i];
        struct pe_plan_stage *stage = &plan->stages[plan->stage_count++];
        snprintf(stage->name, sizeof stage->name, "%s", wanted->run.name);
        stage->needs = wanted->needs;
        if (add_texts(&stage->arguments, &wanted->cmd, err) < 0 ||
            add_texts(&stage->environment, &wanted->env, err) < 0 ||
            set_run(plan, request, &wanted->run, &stage->run, err) < 0)
            return -1;
    }
    return 0;
}

static int add_cases(struct pe_plan *plan, const struct case_request *request, size_t first, size_t count,
                     struct pe_error *err)
{
    plan->cases = calloc(count + 1, sizeof *plan->cases);
    if (!plan->cases)
        return pe_fail_errno(err, "%zu cases", count);
    for (size_t i = 0; i < count; i++) {
        const struct case_case *wanted = &request->cases[first + i];
        struct pe_plan_case *one = &plan->cases[plan->case_count++];
        one->number = (unsigned)(first + i);
        if (add_texts(&one->arguments, &wanted->args, err) < 0 ||
            set_run(plan, request, &wanted->run, &one->run, err) < 0)
            return pe_fail_context(err, "cases[%zu]", first + i);
    }
    return 0;
}

/* The report has room for all output that is allowed, as far as a result can be so long. */
static void set_report_size(struct pe_plan *plan, size_t share)
{
    uint64_t least = pe_plan_report_least(plan), most = PE_OUTPUT_BYTES_MAX / share;
    plan->report_bytes += least;
    plan->report_bytes += (uint64_t)plan->checker_count * 2 * CASE_CHECKER_BYTES * (plan->case_count + 1);
    if (plan->report_bytes > most)
        plan->report_bytes = most > least ? most : least;
}

static int make_plan(const struct case_request *request, size_t first, size_t count, size_t share,
                     struct pe_plan *plan, struct pe_error *err)
{
    plan->stop = request->stops;
    if (add_stages(plan, request, err) < 0 || add_cases(plan, request, first, count, err) < 0)
        return -1;
    set_report_size(plan, share);
    return 0;
}

/* ---- the job ---- */

static int set_command(struct pe_job_spec *spec, struct pe_error *err)
{
    pe_autoarguments struct pe_arguments command = {0};
    if (pe_arguments_add(&command, PE_STAGES_PROGRAM, err) < 0 ||
        pe_arguments_add(&command, PE_PLAN_ARGUMENT, err) < 0)
        return -1;
    spec->cmd = command.items;
    spec->cmd_count = command.count;
    command = (struct pe_arguments){0};
    spec->stdin_name = strdup(PE_PLAN_FILE);
    return spec->stdin_name ? 0 : pe_fail_errno(err, "a job");
}

static int copy_spec(const struct pe_job_spec *from, struct pe_job_spec *to, struct pe_error *err)
{
    pe_autojson json_t *json = pe_job_spec_to_json(from);
    if (!json)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for a job");
    return pe_job_spec_from_json(json, to, err);
}

static int add_files(const struct case_request *request, const struct submission *source,
                     struct submission *job, struct pe_error *err)
{
    for (size_t i = 0; i < source->files.count; i++) {
        const struct pe_part *file = &source->files.items[i];
        const struct pe_cursor content = {.at = source->bytes[i], .left = (size_t)file->size};
        if (!request->file_is_taken[i] &&
            submission_add_file(job, file->path.text, file->path.length, content, err) < 0)
            return -1;
    }
    const struct pe_cursor plan = {.at = job->owned_text.data, .left = job->owned_text.size};
    return submission_add_file(job, PE_PLAN_FILE, strlen(PE_PLAN_FILE), plan, err);
}

int case_plan_make(const struct case_request *request, const struct submission *source, size_t first,
                   size_t count, size_t share, struct submission *job, struct pe_error *err)
{
    pe_autoplan struct pe_plan plan = {0};
    struct pe_job_spec *spec = &job->spec;
    *job = (struct submission){0};
    if (make_plan(request, first, count, share, &plan, err) < 0 ||
        pe_plan_encode(&plan, &job->owned_text, err) < 0 || copy_spec(&source->spec, spec, err) < 0 ||
        set_command(spec, err) < 0 || add_files(request, source, job, err) < 0)
        return -1;
    spec->stdout_max = (uint32_t)plan.report_bytes;
    if (!source->spec.has_timeout)
        spec->timeout_ms = (uint32_t)case_request_total_ms(request, first, count);
    return 0;
}
