/* SPDX-License-Identifier: Apache-2.0 */
/* From the results of all parts to the one that the client gets. */
#include "lb/cases/parts.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* ---- verdicts ---- */

/* What was decided about all stages and cases. */
struct verdicts {
    int stages[CASE_STAGES_MAX]; /* -1: nothing is expected of it */
    int *cases;                  /* owned */
    size_t counts[CASE_VERDICTS];
    int total;             /* right, or the first verdict that is not */
    const char *bad_stage; /* the first one that failed; NULL: none */
};

static const struct case_part *part_of(const struct case_parts *parts, size_t number)
{
    size_t at = 0;
    while (at + 1 < parts->count && number >= parts->items[at].first + parts->items[at].count)
        at++;
    return &parts->items[at];
}

/* How the job of a part has ended. One that was not needed any more has no result. */
static enum pe_status job_status(const struct case_part *part)
{
    return part->result ? part->result->fields.status : PE_STATUS_EXITED;
}

/* Stages are those of the first part, unless they failed in another one. */
static enum pe_status stages_status(const struct case_parts *parts)
{
    return job_status(&parts->items[0]);
}

static int judge_stages(const struct case_parts *parts, struct verdicts *verdicts, struct pe_error *err)
{
    for (size_t i = 0; i < case_request_once(parts->request); i++) {
        const struct case_run *run = &parts->request->stages[i].run;
        int verdict = case_outcome_judge(&parts->stages[i], run, stages_status(parts), err);
        if (verdict < 0)
            return -1;
        if (verdict != CASE_RIGHT && !verdicts->bad_stage) {
            verdicts->bad_stage = run->name;
            verdicts->total = verdict;
        }
        verdicts->stages[i] = case_run_is_judged(run) ? verdict : -1;
    }
    return 0;
}

static int judge_cases(const struct case_parts *parts, struct verdicts *verdicts, struct pe_error *err)
{
    const struct case_request *request = parts->request;
    for (size_t i = 0; i < request->case_count; i++) {
        int verdict = CASE_SKIPPED;
        bool is_over = request->stops && verdicts->total != CASE_RIGHT;
        if (!is_over)
            verdict = case_outcome_judge(&parts->cases[i], &request->cases[i].run,
                                         job_status(part_of(parts, i)), err);
        if (verdict < 0)
            return -1;
        verdicts->cases[i] = verdict;
        verdicts->counts[verdict]++;
        if (verdict != CASE_RIGHT && verdicts->total == CASE_RIGHT)
            verdicts->total = verdict;
    }
    return 0;
}

static int judge(const struct case_parts *parts, struct verdicts *verdicts, struct pe_error *err)
{
    *verdicts = (struct verdicts){.total = CASE_RIGHT};
    verdicts->cases = calloc(parts->request->case_count + 1, sizeof *verdicts->cases);
    if (!verdicts->cases)
        return pe_fail_errno(err, "%zu verdicts", parts->request->case_count);
    return judge_stages(parts, verdicts, err) < 0 ? -1 : judge_cases(parts, verdicts, err);
}

/* ---- JSON ---- */

static void append_run(struct pe_json_writer *writer, const struct case_outcome *outcome,
                       const struct case_run *run, enum pe_status job, int verdict)
{
    pe_json_open(writer, NULL, '{');
    case_outcome_append(outcome, run, job, verdict, writer);
    pe_json_close(writer, '}');
}

static int append_runs(const struct case_parts *parts, const struct verdicts *verdicts, struct pe_buf *out,
                       struct pe_error *err)
{
    const struct case_request *request = parts->request;
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, "stages", '[');
    for (size_t i = 0; i < case_request_once(request); i++)
        append_run(&writer, &parts->stages[i], &request->stages[i].run, stages_status(parts),
                   verdicts->stages[i]);
    pe_json_close(&writer, ']');
    pe_json_open(&writer, "cases", '[');
    for (size_t i = 0; i < request->case_count; i++)
        append_run(&writer, &parts->cases[i], &request->cases[i].run, job_status(part_of(parts, i)),
                   verdicts->cases[i]);
    pe_json_close(&writer, ']');
    return pe_json_finish(&writer);
}

static int append_summary(const struct case_parts *parts, const struct verdicts *verdicts, struct pe_buf *out,
                          struct pe_error *err)
{
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, "summary", '{');
    pe_json_append_text(&writer, "verdict", case_verdict_name(verdicts->total));
    if (verdicts->bad_stage)
        pe_json_append_text(&writer, "stage", verdicts->bad_stage);
    pe_json_append_number(&writer, "cases", parts->request->case_count);
    pe_json_append_number(&writer, "right", verdicts->counts[CASE_RIGHT]);
    for (int i = 0; i < CASE_VERDICTS; i++)
        if (i != CASE_RIGHT && verdicts->counts[i])
            pe_json_append_number(&writer, case_verdict_name(i), verdicts->counts[i]);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

/* ---- the result ---- */

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The part whose result says most about the whole: the first that did not just exit. */
static const struct case_part *main_part(const struct case_parts *parts)
{
    const struct case_part *found = NULL;
    for (size_t i = 0; i < parts->count; i++) {
        const struct case_part *part = &parts->items[i];
        if (part->result &&
            (!found || (job_status(found) == PE_STATUS_EXITED && job_status(part) != PE_STATUS_EXITED)))
            found = part;
    }
    return found;
}

static struct pe_result merge_fields(const struct case_parts *parts)
{
    struct pe_result fields = main_part(parts)->result->fields;
    fields.user_us = fields.system_us = 0;
    for (size_t i = 0; i < parts->count; i++) {
        if (!parts->items[i].result)
            continue;
        const struct pe_result *one = &parts->items[i].result->fields;
        fields.wall_us = greater(fields.wall_us, one->wall_us);
        fields.user_us += one->user_us;
        fields.system_us += one->system_us;
        fields.max_rss_kib = greater(fields.max_rss_kib, one->max_rss_kib);
        fields.trusted_host &= one->trusted_host;
    }
    /* Both tell about the report, which the client does not see. */
    fields.stdout_truncated = fields.stderr_truncated = false;
    return fields;
}

/* The streams of the whole are empty, since each run has its own. Files are those of the first part that was
 * run to its end: all parts run the same stages. */
static int add_parts(const struct job_result *from, struct pe_parts *to, struct pe_error *err)
{
    if (pe_parts_add(to, PE_PART_STDOUT, NULL, 0, 0, err) < 0 ||
        pe_parts_add(to, PE_PART_STDERR, NULL, 0, 0, err) < 0)
        return -1;
    for (size_t i = 0; i < from->parts.count; i++) {
        const struct pe_part *part = &from->parts.items[i];
        if (part->kind != PE_PART_FILE && part->kind != PE_PART_FOLDER)
            continue;
        if (pe_parts_add(to, part->kind, &part->path, part->size, part->mode, err) < 0)
            return -1;
        to->items[to->count - 1].mtime = part->mtime;
    }
    return 0;
}

static int add_bytes(const struct job_result *from, struct job_result *to, struct pe_error *err)
{
    size_t offset = 0;
    for (size_t i = 0; i < from->parts.count; i++) {
        size_t size = (size_t)from->parts.items[i].size;
        if (from->parts.items[i].kind == PE_PART_FILE && size &&
            job_result_append(to, from->bytes.data + offset, size, err) < 0)
            return -1;
        offset += size;
    }
    return job_result_finish(to, err);
}

static struct job_result *make_result(const struct case_parts *parts, size_t *account, struct pe_error *err)
{
    const struct job_result *from = main_part(parts)->result;
    struct pe_result fields = merge_fields(parts);
    struct pe_parts list = {0};
    struct job_result *result =
        add_parts(from, &list, err) < 0 ? NULL : job_result_new(account, &fields, &list, err);
    pe_parts_free(&list);
    if (result && add_bytes(from, result, err) == 0)
        return result;
    job_result_unref(result);
    return NULL;
}

bool case_parts_are_cached(const struct case_parts *parts)
{
    bool all = true;
    for (size_t i = 0; i < parts->count; i++)
        all &= parts->items[i].is_cached;
    return all;
}

static int cut_all(struct case_parts *parts, struct pe_error *err)
{
    const struct case_request *request = parts->request;
    for (size_t i = 0; i < case_request_once(request); i++)
        if (case_outcome_cut(&parts->stages[i], &request->stages[i].run, err) < 0)
            return -1;
    for (size_t i = 0; i < request->case_count; i++)
        if (case_outcome_cut(&parts->cases[i], &request->cases[i].run, err) < 0)
            return -1;
    return 0;
}

/* How large the JSON is, is known when it is made: in the worst case, a byte of output needs six. */
static int append_runs_within_budget(struct case_parts *parts, const struct verdicts *verdicts,
                                     struct job_result *result, struct pe_error *err)
{
    if (append_runs(parts, verdicts, &result->runs, err) < 0)
        return -1;
    job_result_settle(result);
    byte_budget_enforce(parts->budget);
    if (byte_budget_has_room(parts->budget, 0))
        return 0;
    pe_buf_free(&result->runs);
    return cut_all(parts, err) < 0 ? -1 : append_runs(parts, verdicts, &result->runs, err);
}

static int append_all(struct case_parts *parts, struct job_result *result, struct pe_error *err)
{
    struct verdicts verdicts;
    int failed = judge(parts, &verdicts, err) < 0 ||
                 append_runs_within_budget(parts, &verdicts, result, err) < 0 ||
                 append_summary(parts, &verdicts, &result->summary, err) < 0;
    free(verdicts.cases);
    job_result_settle(result);
    return failed ? -1 : 0;
}

struct job_result *case_parts_merge(struct case_parts *parts, struct pe_error *err)
{
    if (!main_part(parts)) {
        pe_fail(err, PE_ERR_INTERNAL, "no part of a job with stages has a result");
        return NULL;
    }
    struct job_result *result = make_result(parts, &parts->budget->used, err);
    if (result && append_all(parts, result, err) == 0) {
        result->stored_at = case_parts_are_cached(parts) ? parts->items[0].result->stored_at : 0;
        case_parts_forget(parts);
        return result;
    }
    job_result_unref(result);
    return NULL;
}
