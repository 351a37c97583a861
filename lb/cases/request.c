/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of stages and cases, and what has to do with several of their members. The members of one are
 * read in fields.c. */
#include "lb/cases/request.h"

#include "base/cleanup.h"
#include "codec/json_reader.h"
#include "lb/cases/expected.h"
#include "proto/job_fields.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beyond the limits of its programs: to start and end the job, and each of them. */
enum { JOB_SLACK_MS = 5000, RUN_SLACK_MS = 100 };

/* ---- what a stage does not say ---- */

static void set_default(uint32_t *value, uint32_t otherwise)
{
    if (!*value)
        *value = otherwise;
}

/* The limits of a stage are those of a job without stages. */
static void set_defaults(struct case_run *run)
{
    set_default(&run->timeout_ms, PE_TIMEOUT_MS_DEFAULT);
    set_default(&run->stdout_max, PE_STDOUT_BYTES_MAX);
    set_default(&run->stderr_max, PE_STDERR_BYTES_MAX);
}

/* A stage or a case without a name is called by its number. */
static int name_run(struct case_run *run, size_t number, struct pe_error *err)
{
    if (!run->name && asprintf(&run->name, "%zu", number) < 0) {
        run->name = NULL;
        return pe_fail_errno(err, "a name");
    }
    return 0;
}

static int complete_stage(struct case_request *request, size_t at, struct pe_error *err)
{
    struct case_stage *stage = &request->stages[at];
    if (!stage->cmd.items)
        return pe_field_invalid(err, "cmd", "is missing");
    if (name_run(&stage->run, at + 1, err) < 0)
        return -1;
    for (size_t i = 0; i < at; i++)
        if (stage->run.name && !strcmp(request->stages[i].run.name, stage->run.name))
            return pe_fail(err, PE_ERR_INVALID, "the name '%s' was given to stages[%zu]", stage->run.name, i);
    if (!stage->has_needs)
        stage->needs = (1u << at) - 1;
    set_defaults(&stage->run);
    return 0;
}

/* ---- lists ---- */

static int end_json(struct pe_json_reader *json, const char *field, struct pe_error *err)
{
    return pe_json_ended(json, err) < 0 ? pe_fail_context(err, "field '%s' is not JSON", field) : 0;
}

static int parse_stages(struct pe_cursor text, const struct case_files *files, struct case_request *request,
                        struct pe_error *err)
{
    struct pe_json_reader json = pe_json_read(text.at, text.left);
    if (pe_field_is_other(&json, "["))
        return pe_field_invalid(err, "stages", "must be an array of objects");
    pe_json_enter(&json, '[');
    while (pe_json_next_element(&json)) {
        size_t at = request->stage_count;
        if (at == CASE_STAGES_MAX)
            return pe_fail(err, PE_ERR_INVALID, "field 'stages' has more than %d stages", CASE_STAGES_MAX);
        request->stage_count++;
        if (case_stage_parse(&json, files, request, &request->stages[at], err) < 0 ||
            (!json.fault && complete_stage(request, at, err) < 0))
            return pe_fail_context(err, "stages[%zu]", at);
    }
    return end_json(&json, "stages", err);
}

/* Make room for one more case. The array grows at powers of two. */
static int reserve_case(struct case_request *request, struct pe_error *err)
{
    size_t count = request->case_count;
    if (count & (count - 1))
        return 0;
    size_t capacity = count ? count * 2 : 1;
    struct case_case *grown = realloc(request->cases, capacity * sizeof *grown);
    if (!grown)
        return pe_fail_errno(err, "%zu cases", capacity);
    request->cases = grown;
    return 0;
}

static int parse_case(struct pe_json_reader *json, const struct case_files *files,
                      struct case_request *request, struct pe_error *err)
{
    size_t at = request->case_count;
    if (at == CASES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "field 'cases' has more than %d cases", CASES_MAX);
    if (reserve_case(request, err) < 0)
        return -1;
    request->cases[at] = (struct case_case){0};
    request->case_count++;
    return case_case_parse(json, files, request, &request->cases[at], err) < 0
               ? pe_fail_context(err, "cases[%zu]", at)
               : 0;
}

static int parse_cases(struct pe_cursor text, const struct case_files *files, struct case_request *request,
                       struct pe_error *err)
{
    struct pe_json_reader json = pe_json_read(text.at, text.left);
    if (!text.at)
        return 0;
    if (pe_field_is_other(&json, "["))
        return pe_field_invalid(err, "cases", "must be an array of objects");
    pe_json_enter(&json, '[');
    while (pe_json_next_element(&json))
        if (parse_case(&json, files, request, err) < 0)
            return -1;
    if (end_json(&json, "cases", err) < 0)
        return -1;
    return request->case_count ? 0 : pe_field_invalid(err, "cases", "is empty; leave it out to run no cases");
}

/* ---- other members ---- */

static int parse_on_failure(struct pe_cursor text, struct case_request *request, struct pe_error *err)
{
    pe_autofree char *action = NULL;
    struct pe_json_reader json = pe_json_read(text.at, text.left);
    if (!text.at)
        return 0;
    if (pe_field_parse_text(&json, "on_failure", 32, &action, err) < 0 ||
        end_json(&json, "on_failure", err) < 0)
        return -1;
    if (strcmp(action, "stop") != 0 && strcmp(action, "continue") != 0)
        return pe_field_invalid(err, "on_failure", "must be \"continue\" or \"stop\"");
    request->stops = !strcmp(action, "stop");
    return 0;
}

static int parse_slots(struct pe_cursor text, const struct case_rules *rules, struct case_request *request,
                       struct pe_error *err)
{
    struct pe_json_reader json = pe_json_read(text.at, text.left);
    request->slots = 1;
    if (text.at && (pe_field_parse_whole(&json, "slots", "slots", 1, CASES_MAX, &request->slots, err) < 0 ||
                    end_json(&json, "slots", err) < 0))
        return -1;
    if (request->slots > rules->slots)
        request->slots = (uint32_t)rules->slots;
    if (request->slots > request->case_count)
        request->slots = request->case_count ? (uint32_t)request->case_count : 1;
    return 0;
}

/* ---- what a case does not say ---- */

static void inherit_bytes(struct case_bytes *bytes, const struct case_bytes *from)
{
    if (!bytes->is_given && from->is_given)
        *bytes = (struct case_bytes){.is_given = true, .bytes = from->bytes};
}

static void inherit_expect(struct case_expect *expect, const struct case_expect *from)
{
    inherit_bytes(&expect->output, &from->output);
    if (!expect->has_exit_code) {
        expect->has_exit_code = from->has_exit_code;
        expect->exit_code = from->exit_code;
    }
    if (expect->has_compare || expect->checker.items)
        return;
    expect->has_compare = from->has_compare;
    expect->is_exact = from->is_exact;
    expect->checker = from->checker;
    expect->checker.is_borrowed = true;
}

/* What a case does not say is what the last stage says. */
static void inherit(struct case_run *run, const struct case_run *from)
{
    inherit_bytes(&run->input, &from->input);
    set_default(&run->timeout_ms, from->timeout_ms);
    set_default(&run->cpu_ms, from->cpu_ms);
    set_default(&run->memory_mib, from->memory_mib);
    set_default(&run->stdout_max, from->stdout_max);
    set_default(&run->stderr_max, from->stderr_max);
    inherit_expect(&run->expect, &from->expect);
}

static int complete_cases(struct case_request *request, struct pe_error *err)
{
    for (size_t i = 0; i < request->case_count; i++) {
        if (name_run(&request->cases[i].run, i + 1, err) < 0)
            return -1;
        inherit(&request->cases[i].run, &request->stages[request->stage_count - 1].run);
    }
    return 0;
}

/* ---- hashes of what is expected ---- */

struct hashed {
    const struct case_expect **items; /* with different bytes, or compared in another way; owned */
    size_t count;
};

static const struct case_expect *find_hashed(const struct hashed *done, const struct case_expect *wanted)
{
    for (size_t i = done->count; i-- > 0;) {
        const struct case_expect *one = done->items[i];
        if (one->output.bytes.at == wanted->output.bytes.at &&
            one->output.bytes.left == wanted->output.bytes.left && one->is_exact == wanted->is_exact)
            return one;
    }
    return NULL;
}

static int hash_expect(struct hashed *done, struct case_expect *wanted, struct pe_error *err)
{
    if (!wanted->output.is_given || wanted->checker.items)
        return 0;
    const struct case_expect *same = find_hashed(done, wanted);
    if (same) {
        memcpy(wanted->sha256, same->sha256, sizeof wanted->sha256);
        return 0;
    }
    done->items[done->count++] = wanted;
    return case_output_hash(wanted->is_exact, wanted->output.bytes, wanted->sha256, err);
}

/* Many cases can name the same file, so each one is hashed once: the work is bounded by the size of the
 * request. */
static int hash_all(struct case_request *request, struct pe_error *err)
{
    struct hashed done = {.items =
                              calloc(request->case_count + request->stage_count + 1, sizeof *done.items)};
    if (!done.items)
        return pe_fail_errno(err, "%zu cases", request->case_count);
    int failed = 0;
    for (size_t i = 0; i < request->stage_count && !failed; i++)
        failed = hash_expect(&done, &request->stages[i].run.expect, err);
    for (size_t i = 0; i < request->case_count && !failed; i++)
        failed = hash_expect(&done, &request->cases[i].run.expect, err);
    free(done.items);
    return failed;
}

/* ---- the whole ---- */

/* What a job says about its only program, a job with stages says about each of them. */
static int check_spec(const struct pe_job_spec *spec, struct pe_error *err)
{
    const struct {
        const char *name;
        bool is_set;
    } fields[] = {
        {"cmd", spec->cmd != NULL},
        {"stdin", spec->stdin_name != NULL},
        {"combined", spec->combined},
        {"on_output_limit", spec->stop_at_output_limit || spec->cut_at_output_limit},
        {"stdout_max", spec->stdout_max != 0},
        {"stderr_max", spec->stderr_max != 0},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].is_set)
            return pe_fail(err, PE_ERR_INVALID, "field '%s' is not for a job with stages%s", fields[i].name,
                           i == 2 || i == 3 ? "" : ", each of which has its own");
    return 0;
}

static uint64_t run_ms(const struct case_run *run)
{
    uint64_t check_ms = run->expect.checker.items ? CASE_CHECKER_MS + RUN_SLACK_MS : 0;
    return (uint64_t)run->timeout_ms + RUN_SLACK_MS + check_ms;
}

size_t case_request_once(const struct case_request *request)
{
    return request->stage_count - (request->case_count ? 1 : 0);
}

uint64_t case_request_total_ms(const struct case_request *request, size_t first, size_t count)
{
    uint64_t total = JOB_SLACK_MS;
    for (size_t i = 0; i < case_request_once(request); i++)
        total += run_ms(&request->stages[i].run);
    for (size_t i = first; i < first + count; i++)
        total += run_ms(&request->cases[i].run);
    return total;
}

static int check_time(const struct case_request *request, const struct pe_job_spec *spec,
                      const struct case_rules *rules, struct pe_error *err)
{
    uint64_t total = case_request_total_ms(request, 0, request->case_count);
    if (spec->has_timeout && spec->timeout_ms > rules->total_ms)
        return pe_fail(err, PE_ERR_INVALID, "field 'timeout_ms' of a job with stages must be from 1 to %llu",
                       (unsigned long long)rules->total_ms);
    if (!spec->has_timeout && total > rules->total_ms)
        return pe_fail(err, PE_ERR_INVALID,
                       "the time limits of all stages and cases are %llu ms together, with the time between "
                       "them; at most %llu ms are allowed. Lower them, or set 'timeout_ms' of the job, after "
                       "which it ends",
                       (unsigned long long)total, (unsigned long long)rules->total_ms);
    return 0;
}

static int compare_files(const void *left, const void *right, void *submission)
{
    const struct pe_part *files = ((const struct submission *)submission)->files.items;
    return strcmp(files[*(const size_t *)left].path.text, files[*(const size_t *)right].path.text);
}

static int sort_files(const struct submission *submission, struct case_files *files, struct pe_error *err)
{
    size_t count = submission->files.count;
    *files = (struct case_files){.submission = submission, .order = calloc(count + 1, sizeof *files->order)};
    if (!files->order)
        return pe_fail_errno(err, "%zu files", count);
    for (size_t i = 0; i < count; i++)
        files->order[i] = i;
    qsort_r(files->order, count, sizeof *files->order, compare_files, (void *)(uintptr_t)submission);
    return 0;
}

static int decode(const struct submission *submission, const struct case_files *files,
                  const struct case_rules *rules, struct case_request *request, struct pe_error *err)
{
    const struct pe_cursor *members = submission->members;
    if (!members[SUBMISSION_STAGES].at)
        return pe_fail(err, PE_ERR_INVALID,
                       "field 'stages' is missing, but the job has 'cases', 'on_failure' or "
                       "'slots'");
    if (check_spec(&submission->spec, err) < 0 ||
        parse_stages(members[SUBMISSION_STAGES], files, request, err) < 0)
        return -1;
    if (!request->stage_count)
        return pe_field_invalid(err, "stages", "is empty; a job without stages has 'cmd'");
    if (parse_cases(members[SUBMISSION_CASES], files, request, err) < 0 ||
        parse_on_failure(members[SUBMISSION_ON_FAILURE], request, err) < 0 ||
        parse_slots(members[SUBMISSION_SLOTS], rules, request, err) < 0 || complete_cases(request, err) < 0 ||
        check_time(request, &submission->spec, rules, err) < 0)
        return -1;
    return hash_all(request, err);
}

int case_request_decode(const struct submission *submission, const struct case_rules *rules,
                        struct case_request *request, struct pe_error *err)
{
    struct case_files files;
    *request = (struct case_request){.bytes = sizeof *request};
    if (sort_files(submission, &files, err) < 0)
        return -1;
    request->file_is_taken = calloc(submission->files.count + 1, sizeof *request->file_is_taken);
    int failed = request->file_is_taken ? decode(submission, &files, rules, request, err)
                                        : pe_fail_errno(err, "%zu files", submission->files.count);
    free(files.order);
    request->bytes += request->case_count * sizeof *request->cases;
    return failed;
}

/* ---- the end ---- */

static void free_run(struct case_run *run)
{
    free(run->name);
    free(run->input.owned);
    free(run->expect.output.owned);
    case_texts_free(&run->expect.checker);
}

void case_request_free(struct case_request *request)
{
    for (size_t i = 0; i < request->case_count; i++) {
        free_run(&request->cases[i].run);
        case_texts_free(&request->cases[i].args);
    }
    for (size_t i = 0; i < request->stage_count; i++) {
        free_run(&request->stages[i].run);
        case_texts_free(&request->stages[i].cmd);
        case_texts_free(&request->stages[i].env);
    }
    free(request->cases);
    free(request->file_is_taken);
    *request = (struct case_request){0};
}
