/* SPDX-License-Identifier: Apache-2.0 */
/* From the results of all parts to the one that the client gets, piece by piece. */
#include "lb/cases/parts.h"

#include "lb/cases/reports.h"

#include <stdlib.h>

/* ---- verdicts ---- */

/* What was decided about all stages and cases. */
struct verdicts {
    int stages[CASE_STAGES_MAX]; /* -1: nothing is expected of it */
    int *cases;                  /* owned */
    size_t counts[CASE_VERDICTS];
    int total;             /* right, or the first verdict that is not */
    const char *bad_stage; /* the first one that failed; NULL: none */
};

/* The result as far as it is made. */
struct case_merge {
    struct verdicts verdicts;
    size_t judged;             /* cases */
    struct job_result *result; /* a reference; NULL before all cases are judged */
    size_t appended;           /* stages and cases whose JSON is in the result */
    struct pe_json_pieces run; /* of the next one; it borrows the outcome */
    bool in_run;               /* a part of it is in the result */
    bool is_cut;               /* there was no room for outputs */
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

static int judge_stages(const struct case_parts *parts, struct verdicts *verdicts, struct pe_error *err)
{
    for (size_t i = 0; i < case_request_once(parts->request); i++) {
        const struct case_run *run = &parts->request->stages[i].run;
        int verdict = case_outcome_judge(&parts->stages[i], run, parts->stage_jobs[i], err);
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

static int judge_case(const struct case_parts *parts, struct verdicts *verdicts, size_t at,
                      struct pe_error *err)
{
    const struct case_request *request = parts->request;
    int verdict = CASE_SKIPPED;
    bool is_over = request->stops && verdicts->total != CASE_RIGHT;
    if (!is_over)
        verdict = case_outcome_judge(&parts->cases[at], &request->cases[at].run,
                                     job_status(part_of(parts, at)), err);
    if (verdict < 0)
        return -1;
    verdicts->cases[at] = verdict;
    verdicts->counts[verdict]++;
    if (verdict != CASE_RIGHT && verdicts->total == CASE_RIGHT)
        verdicts->total = verdict;
    return 0;
}

/* Returns 1 when all cases are judged. */
static int judge_cases(const struct case_parts *parts, size_t *work, struct pe_error *err)
{
    struct case_merge *merge = parts->merge;
    while (merge->judged < parts->request->case_count && *work) {
        const size_t bytes = parts->cases[merge->judged].run.out.size + 1;
        if (judge_case(parts, &merge->verdicts, merge->judged++, err) < 0)
            return -1;
        *work -= bytes < *work ? bytes : *work;
    }
    return merge->judged == parts->request->case_count;
}

/* ---- JSON ---- */

/* What stands in front of the JSON of a stage or a case, or behind that of the last one. */
static int append_separator(const struct case_request *request, size_t at, struct pe_buf *out,
                            struct pe_error *err)
{
    const size_t stages = case_request_once(request), all = stages + request->case_count;
    const bool is_inside = at > 0 && at != stages && at < all;
    return pe_buf_append_text(out, at == 0 ? "\"stages\":[" : "", err) < 0 ||
                   pe_buf_append_text(out, at == stages ? "],\"cases\":[" : "", err) < 0 ||
                   pe_buf_append_text(out,
                                      is_inside   ? ","
                                      : at == all ? "]"
                                                  : "",
                                      err) < 0
               ? -1
               : 0;
}

static int begin_run(const struct case_parts *parts, size_t at, struct pe_error *err)
{
    struct case_merge *merge = parts->merge;
    const struct case_request *request = parts->request;
    const size_t stages = case_request_once(request);
    const bool is_case = at >= stages;
    const size_t index = is_case ? at - stages : at;
    struct pe_json_writer writer = pe_json_write(&merge->run.text, err);
    merge->in_run = true;
    pe_json_open(&writer, NULL, '{');
    if (is_case)
        case_outcome_append(&parts->cases[index], &request->cases[index].run,
                            job_status(part_of(parts, index)), merge->verdicts.cases[index], &merge->run,
                            &writer);
    else
        case_outcome_append(&parts->stages[index], &request->stages[index].run, parts->stage_jobs[index],
                            merge->verdicts.stages[index], &merge->run, &writer);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

static int continue_run(struct case_merge *merge, size_t *work, struct pe_error *err)
{
    if (pe_json_pieces_take(&merge->run, &merge->result->runs, work, err) < 0)
        return -1;
    if (!pe_json_pieces_ended(&merge->run))
        return 0;
    pe_json_pieces_free(&merge->run);
    merge->in_run = false;
    merge->appended++;
    return 0;
}

/* Returns 1 when all stages and cases are in the result. */
static int append_runs(const struct case_parts *parts, size_t *work, struct pe_error *err)
{
    struct case_merge *merge = parts->merge;
    const size_t all = case_request_once(parts->request) + parts->request->case_count;
    while (*work) {
        if (!merge->in_run) {
            if (append_separator(parts->request, merge->appended, &merge->result->runs, err) < 0)
                return -1;
            if (merge->appended == all)
                return 1;
            if (begin_run(parts, merge->appended, err) < 0)
                return -1;
        }
        if (continue_run(merge, work, err) < 0)
            return -1;
    }
    return 0;
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

/* Leave the output of all stages and cases out, and begin to write them again. */
static void cut_all(struct case_parts *parts)
{
    struct case_merge *merge = parts->merge;
    pe_json_pieces_free(&merge->run);
    pe_buf_free(&merge->result->runs);
    for (size_t i = 0; i < case_request_once(parts->request); i++)
        case_outcome_drop_output(&parts->stages[i]);
    for (size_t i = 0; i < parts->request->case_count; i++)
        case_outcome_drop_output(&parts->cases[i]);
    case_parts_hold(parts, &parts->holds, 0);
    job_result_settle(merge->result);
    merge->appended = 0;
    merge->in_run = false;
    merge->is_cut = true;
}

/* How large the JSON is, is known when it is made: in the worst case, a byte of output needs six. Returns 1
 * when everything is in the result. */
static int append_runs_within_budget(struct case_parts *parts, size_t *work, struct pe_error *err)
{
    struct case_merge *merge = parts->merge;
    int appended = append_runs(parts, work, err);
    job_result_settle(merge->result);
    byte_budget_enforce(parts->budget);
    if (appended < 0 || merge->is_cut || byte_budget_has_room(parts->budget, 0))
        return appended;
    cut_all(parts);
    return 0;
}

static int begin(struct case_parts *parts, struct pe_error *err)
{
    struct case_merge *merge = calloc(1, sizeof *merge);
    parts->merge = merge;
    if (!merge)
        return pe_fail_errno(err, "the result of %zu cases", parts->request->case_count);
    merge->verdicts.total = CASE_RIGHT;
    merge->verdicts.cases = calloc(parts->request->case_count + 1, sizeof *merge->verdicts.cases);
    if (!merge->verdicts.cases)
        return pe_fail_errno(err, "%zu verdicts", parts->request->case_count);
    if (!main_part(parts))
        return pe_fail(err, PE_ERR_INTERNAL, "no part of a job with stages has a result");
    return judge_stages(parts, &merge->verdicts, err);
}

/* Returns 1 when the result is complete. */
static int go_on(struct case_parts *parts, size_t *work, struct pe_error *err)
{
    struct case_merge *merge = parts->merge;
    if (merge->judged < parts->request->case_count) {
        int judged = judge_cases(parts, work, err);
        if (judged <= 0)
            return judged;
    }
    if (!merge->result && !(merge->result = make_result(parts, &parts->budget->used, err)))
        return -1;
    int appended = append_runs_within_budget(parts, work, err);
    if (appended <= 0)
        return appended;
    if (append_summary(parts, &merge->verdicts, &merge->result->summary, err) < 0)
        return -1;
    job_result_settle(merge->result);
    return 1;
}

/* ---- the end ---- */

static void drop_merge(struct case_parts *parts)
{
    struct case_merge *merge = parts->merge;
    if (!merge)
        return;
    pe_json_pieces_free(&merge->run);
    job_result_unref(merge->result);
    free(merge->verdicts.cases);
    free(merge);
    parts->merge = NULL;
}

void case_parts_forget(struct case_parts *parts)
{
    drop_merge(parts);
    for (size_t i = 0; i < parts->count; i++) {
        job_result_unref(parts->items[i].result);
        parts->items[i].result = NULL;
        case_report_forget(&parts->items[i]);
    }
    for (size_t i = 0; i < CASE_STAGES_MAX; i++)
        case_outcome_free(&parts->stages[i]);
    for (size_t i = 0; parts->cases && i < parts->request->case_count; i++)
        case_outcome_free(&parts->cases[i]);
    case_parts_hold(parts, &parts->holds, 0);
}

int case_parts_merge(struct case_parts *parts, size_t *work, struct job_result **result, struct pe_error *err)
{
    if (!parts->merge && begin(parts, err) < 0)
        return -1;
    int done = go_on(parts, work, err);
    if (done <= 0)
        return done;
    *result = parts->merge->result;
    parts->merge->result = NULL;
    (*result)->stored_at = case_parts_are_cached(parts) ? parts->items[0].result->stored_at : 0;
    case_parts_forget(parts);
    return 1;
}
