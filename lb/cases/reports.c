/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the bytes of a report: each run that has ended is told to the owner once, and kept for the
 * result. */
#include "lb/cases/reports.h"

#include <string.h>

/* ---- memory: what the reports say is counted with the results, since it is as large ---- */

void case_parts_hold(struct case_parts *parts, size_t *holds, size_t bytes)
{
    if (parts->budget)
        parts->budget->used += bytes - *holds;
    *holds = bytes;
}

/* Whether the budget is kept. If not, slow readers are cut off, so that there will be room later. */
static bool has_room(struct case_parts *parts)
{
    byte_budget_enforce(parts->budget);
    return byte_budget_has_room(parts->budget, 0);
}

void case_report_forget(struct case_part *part)
{
    case_collector_free(&part->collector);
    case_parts_hold(part->parts, &part->collector_holds, 0);
}

/* Take over an outcome. Without room, its output is cut. */
static void keep(struct case_parts *parts, struct case_outcome *kept, struct case_outcome *outcome,
                 const struct case_run *run)
{
    struct pe_error ignored; /* without memory, the output stays */
    size_t others = parts->holds - case_outcome_bytes(kept);
    case_outcome_free(kept);
    case_parts_hold(parts, &parts->holds, others + case_outcome_bytes(outcome));
    if (!has_room(parts) && case_outcome_cut(outcome, run, &ignored) == 0)
        case_parts_hold(parts, &parts->holds, others + case_outcome_bytes(outcome));
    *kept = *outcome;
    *outcome = (struct case_outcome){0};
}

/* ---- runs ---- */

static size_t find_stage(const struct case_request *request, const char *name)
{
    size_t at = 0;
    while (at < request->stage_count && strcmp(request->stages[at].run.name, name) != 0)
        at++;
    return at;
}

static void tell(struct case_part *part, bool is_case, size_t index, const struct case_outcome *outcome)
{
    struct case_parts *parts = part->parts;
    enum pe_status job = part->result ? part->result->fields.status : PE_STATUS_EXITED;
    bool *was_told = is_case ? &parts->case_was_told[index] : &parts->stage_was_told[index];
    if (!*was_told)
        parts->ops->on_outcome(parts, is_case, index, outcome, job);
    *was_told = true;
}

/* Find out what a run is. A guest that lies may report runs that its part does not have. */
static bool find_run(const struct case_part *part, const struct pe_stage_report *run, bool *is_case,
                     size_t *index)
{
    *is_case = run->kind == PE_RUN_CASE;
    *index = *is_case ? run->number : find_stage(part->parts->request, run->name);
    return *is_case ? *index >= part->first && *index < part->first + part->count
                    : run->kind == PE_RUN_STAGE && *index < case_request_once(part->parts->request);
}

/* For struct case_collector, while the part runs. What the final report says may differ: a run that had not
 * ended is told then. */
static void on_live_outcome(void *data, struct case_outcome *outcome)
{
    struct case_part *part = data;
    bool is_case = false;
    size_t index = 0;
    if (outcome->run.ended && find_run(part, &outcome->run, &is_case, &index))
        tell(part, is_case, index, outcome);
}

static bool has_failed(const struct case_outcome *outcome, const struct case_run *run, enum pe_status job)
{
    enum case_status status = case_outcome_status(outcome, run, job);
    return outcome->has_run && status != CASE_OK && status != CASE_SKIPPED;
}

/* All parts run the stages. If one of them fails in any part, this is the one that counts. */
static bool replaces(const struct case_part *part, size_t index, const struct case_outcome *outcome)
{
    const struct case_parts *parts = part->parts;
    const struct case_run *run = &parts->request->stages[index].run;
    const struct case_outcome *before = &parts->stages[index];
    return !before->has_run || (!has_failed(before, run, parts->stage_jobs[index]) &&
                                has_failed(outcome, run, part->result->fields.status));
}

/* For struct case_collector, when the result of the part is complete. */
static void on_outcome(void *data, struct case_outcome *outcome)
{
    struct case_part *part = data;
    struct case_parts *parts = part->parts;
    bool is_case = false;
    size_t index = 0;
    if (!find_run(part, &outcome->run, &is_case, &index))
        return;
    tell(part, is_case, index, outcome);
    case_parts_hold(parts, &part->collector_holds, 0); /* it has handed this outcome over */
    struct case_outcome *kept = is_case ? &parts->cases[index] : &parts->stages[index];
    const struct case_run *run =
        is_case ? &parts->request->cases[index].run : &parts->request->stages[index].run;
    if (is_case ? kept->has_run : !replaces(part, index, outcome))
        return;
    keep(parts, kept, outcome, run);
    if (!is_case)
        parts->stage_jobs[index] = part->result->fields.status;
}

/* ---- bytes ---- */

/* Give more bytes of a report to the collector, which hands over what has ended. */
static void collect(struct case_part *part, struct pe_cursor bytes,
                    void (*take)(void *data, struct case_outcome *outcome))
{
    struct pe_error ignored;
    part->collector.on_outcome = take;
    part->collector.data = part;
    part->position += bytes.left;
    part->is_unreadable = case_collector_add(&part->collector, bytes, &ignored) < 0;
    case_parts_hold(part->parts, &part->collector_holds, case_collector_bytes(&part->collector));
}

/* The final report is read again, and tells the same: nothing is lost if these bytes cannot be read, or if
 * there is no room for what they say. */
void case_report_hear(struct case_part *part, struct pe_cursor bytes)
{
    if (part->is_unreadable || !bytes.left)
        return;
    collect(part, bytes, on_live_outcome);
    if (part->is_unreadable || has_room(part->parts))
        return;
    part->is_unreadable = true;
    case_report_forget(part);
}

static void begin_reading(struct case_part *part)
{
    case_report_forget(part);
    part->position = 0;
    part->is_unreadable = false;
    part->is_reading = true;
}

static void end_reading(struct case_part *part)
{
    struct pe_error ignored;
    if (!part->is_unreadable)
        part->is_unreadable = case_collector_end(&part->collector, &ignored) < 0;
    case_report_forget(part);
    part->is_reading = false;
    part->is_read = true;
}

bool case_report_read(struct case_part *part, size_t *work)
{
    if (!part->is_reading)
        begin_reading(part);
    const struct job_result *result = part->result;
    const size_t left = (size_t)result->parts.items[0].size - part->position;
    const size_t size = left < *work ? left : *work;
    if (size && !part->is_unreadable)
        collect(part, (struct pe_cursor){.at = result->bytes.data + part->position, .left = size},
                on_outcome);
    *work -= size;
    if (size < left && !part->is_unreadable)
        return false;
    end_reading(part);
    return true;
}

/* ---- the end ---- */

bool case_report_has_failure(const struct case_part *part)
{
    struct pe_error ignored;
    const struct case_parts *parts = part->parts;
    enum pe_status job = part->result->fields.status;
    bool has = job != PE_STATUS_EXITED;
    for (size_t i = part->first; i < part->first + part->count && !has; i++) {
        int verdict = case_outcome_judge(&parts->cases[i], &parts->request->cases[i].run, job, &ignored);
        has = verdict >= 0 && verdict != CASE_RIGHT;
    }
    return has;
}

void case_parts_tell_rest(struct case_parts *parts)
{
    for (size_t i = 0; i < case_request_once(parts->request); i++)
        tell(&parts->items[0], false, i, &parts->stages[i]);
    for (size_t i = 0; i < parts->count; i++) {
        struct case_part *part = &parts->items[i];
        for (size_t at = part->first; at < part->first + part->count; at++)
            tell(part, true, at, &parts->cases[at]);
    }
}
