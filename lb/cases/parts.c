/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs of a request with stages: how they start, what they report, and when they are not needed any more.
 */
#include "lb/cases/parts.h"

#include "base/io.h"
#include "lb/cases/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- making ---- */

/* The cases are divided evenly, in order. */
static int make_part(struct case_parts *parts, size_t at, const struct submission *source,
                     struct pe_error *err)
{
    const struct case_request *request = parts->request;
    struct case_part *part = &parts->items[at];
    part->parts = parts;
    part->first = request->case_count * at / parts->count;
    part->count = request->case_count * (at + 1) / parts->count - part->first;
    return case_plan_make(request, source, part->first, part->count, parts->count, &part->job, err);
}

static int reserve(struct case_parts *parts, struct pe_error *err)
{
    size_t cases = parts->request->case_count + 1;
    parts->items = calloc(parts->count, sizeof *parts->items);
    parts->cases = calloc(cases, sizeof *parts->cases);
    parts->case_was_told = calloc(cases, sizeof *parts->case_was_told);
    if (parts->items && parts->cases && parts->case_was_told)
        return 0;
    parts->count = parts->items ? parts->count : 0;
    return pe_fail_errno(err, "%zu cases", cases);
}

int case_parts_make(struct case_parts *parts, const struct case_request *request,
                    const struct submission *source, struct pe_error *err)
{
    *parts = (struct case_parts){.request = request, .count = request->slots};
    if (reserve(parts, err) < 0)
        return -1;
    for (size_t i = 0; i < parts->count; i++)
        if (make_part(parts, i, source, err) < 0)
            return -1;
    return 0;
}

size_t case_parts_bytes(const struct case_parts *parts)
{
    size_t bytes = parts->request->case_count * sizeof *parts->cases;
    for (size_t i = 0; i < parts->count; i++)
        bytes += parts->items[i].job.owned_text.capacity;
    return bytes;
}

/* ---- memory: what the reports say is counted with the results, since it is as large ---- */

static void hold(struct case_parts *parts, size_t *holds, size_t bytes)
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

static void free_live(struct case_parts *parts, struct case_part *part)
{
    case_collector_free(&part->live);
    hold(parts, &part->live_holds, 0);
}

/* Take over an outcome. Without room, its output is cut. */
static void keep(struct case_parts *parts, struct case_outcome *kept, struct case_outcome *outcome,
                 const struct case_run *run)
{
    struct pe_error ignored; /* without memory, the output stays */
    size_t others = parts->holds - case_outcome_bytes(kept);
    case_outcome_free(kept);
    hold(parts, &parts->holds, others + case_outcome_bytes(outcome));
    if (!has_room(parts) && case_outcome_cut(outcome, run, &ignored) == 0)
        hold(parts, &parts->holds, others + case_outcome_bytes(outcome));
    *kept = *outcome;
    *outcome = (struct case_outcome){0};
}

/* ---- what has happened ---- */

static void conclude_soon(struct case_parts *parts)
{
    if (parts->is_waiting_for_timer)
        return;
    parts->is_waiting_for_timer = true;
    parts->loop->ops->start_timer(parts->loop, &parts->timer, 0);
}

static void fail(struct case_parts *parts, enum case_parts_failure failure)
{
    if (!parts->failure)
        parts->failure = failure;
    conclude_soon(parts);
}

static void note_running(struct case_parts *parts)
{
    bool is_running = false;
    for (size_t i = 0; i < parts->count; i++)
        is_running |= parts->items[i].is_running;
    if (is_running == parts->is_running)
        return;
    parts->is_running = is_running;
    parts->ops->on_running(parts, is_running);
}

static struct case_part *from_waiter(struct job_waiter *waiter)
{
    return pe_list_entry(waiter, struct case_part, waiter);
}

/* It is not on a slot any more. A part that has joined a job costs nothing, unless it has inherited it. */
static void stop_running(struct case_part *part, uint64_t used_us)
{
    if (part->is_running && !part->waiter.joined)
        part->parts->used_us += used_us;
    part->is_running = false;
}

static uint64_t time_on_slot(const struct case_part *part)
{
    return pe_now_us() - part->started_us;
}

/* Stop waiting for its job, which is canceled unless others wait for it. */
static void leave_job(struct case_part *part)
{
    stop_running(part, time_on_slot(part));
    job_leave(&part->waiter);
}

static void on_start(struct job_waiter *waiter)
{
    struct case_part *part = from_waiter(waiter);
    part->is_running = true;
    part->started_us = pe_now_us();
    part->run = (struct case_part_run){.started_us = part->started_us};
    snprintf(part->run.worker, sizeof part->run.worker, "%s", waiter->job->host);
    note_running(part->parts);
}

static void note_phases(struct case_part *part, const struct pe_result *fields)
{
    part->run.finished_us = pe_now_us();
    part->run.is_own = !part->waiter.joined;
    memcpy(part->run.phase_us, fields->phase_us, sizeof part->run.phase_us);
}

bool case_part_slot(const struct case_part *part, struct slot_record *record)
{
    const struct case_part_run *run = &part->run;
    *record = (struct slot_record){.worker = run->worker,
                                   .started_us = run->started_us,
                                   .finished_us = run->finished_us,
                                   .phase_us = run->is_own ? run->phase_us : NULL};
    return run->started_us > 0;
}

static void note_result(struct case_part *part)
{
    const struct pe_result *fields = &part->result->fields;
    if (!part->result->complete)
        return;
    note_phases(part, fields);
    stop_running(part, fields->user_us + fields->system_us);
    job_leave(&part->waiter);
    part->is_done = true;
    note_running(part->parts);
    conclude_soon(part->parts);
}

static void on_result(struct job_waiter *waiter, struct job_result *result, bool stored)
{
    struct case_part *part = from_waiter(waiter);
    job_result_unref(part->result);
    part->result = job_result_ref(result);
    part->is_cached = stored;
    note_result(part);
}

static void on_progress(struct job_waiter *waiter)
{
    if (from_waiter(waiter)->result)
        note_result(from_waiter(waiter));
}

static void on_lost(struct job_waiter *waiter)
{
    struct case_part *part = from_waiter(waiter);
    job_result_unref(part->result);
    part->result = NULL;
    part->parts->lost++;
    stop_running(part, time_on_slot(part));
    part->position = 0;
    part->is_unreadable = false;
    free_live(part->parts, part);
    note_running(part->parts);
}

/* Nothing of it has run. */
static void on_returned(struct job_waiter *waiter)
{
    from_waiter(waiter)->run.started_us = 0;
    stop_running(from_waiter(waiter), 0);
    note_running(from_waiter(waiter)->parts);
}

static void on_problem(struct job_waiter *waiter, const struct pe_problem *problem)
{
    struct case_parts *parts = from_waiter(waiter)->parts;
    if (!parts->failure)
        parts->problem = *problem;
    leave_job(from_waiter(waiter));
    fail(parts, CASE_PROBLEM);
}

static void on_queue_full(struct job_waiter *waiter)
{
    job_leave(waiter);
    fail(from_waiter(waiter)->parts, CASE_QUEUE_FULL);
}

static void on_given_up(struct job_waiter *waiter, unsigned tries)
{
    job_leave(waiter);
    from_waiter(waiter)->parts->tries = tries;
    fail(from_waiter(waiter)->parts, CASE_GIVEN_UP);
}

/* ---- reports ---- */

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

static void on_output(struct job_waiter *waiter)
{
    struct pe_error ignored; /* the final report is read again, and tells the same; also without room */
    struct case_part *part = from_waiter(waiter);
    const struct live_output *live = waiter->job->live;
    struct pe_cursor bytes = live_output_from(live, LIVE_STDOUT, part->position);
    part->live.on_outcome = on_live_outcome;
    part->live.data = part;
    if (part->is_unreadable || !bytes.left)
        return;
    part->position += bytes.left;
    part->is_unreadable = case_collector_add(&part->live, bytes, &ignored) < 0;
    hold(part->parts, &part->live_holds, case_collector_bytes(&part->live));
    if (part->is_unreadable || has_room(part->parts))
        return;
    part->is_unreadable = true;
    free_live(part->parts, part);
}

static bool has_failed(const struct case_outcome *outcome, const struct case_run *run, enum pe_status job)
{
    enum case_status status = case_outcome_status(outcome, run, job);
    return outcome->has_run && status != CASE_OK && status != CASE_SKIPPED;
}

/* All parts run the stages. If one of them fails in any part, this is the one that counts. */
static bool replaces(const struct case_part *part, const struct case_outcome *before,
                     const struct case_outcome *outcome, const struct case_run *run)
{
    enum pe_status job = part->result->fields.status;
    return !before->has_run || (!has_failed(before, run, job) && has_failed(outcome, run, job));
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
    struct case_outcome *kept = is_case ? &parts->cases[index] : &parts->stages[index];
    const struct case_run *run =
        is_case ? &parts->request->cases[index].run : &parts->request->stages[index].run;
    if (is_case ? !kept->has_run : replaces(part, kept, outcome, run))
        keep(parts, kept, outcome, run);
}

static void read_report(struct case_part *part)
{
    struct pe_error ignored;
    struct case_collector collector = {.on_outcome = on_outcome, .data = part};
    const struct job_result *result = part->result;
    const struct pe_cursor report = {.at = result->bytes.data, .left = (size_t)result->parts.items[0].size};
    part->is_read = true;
    free_live(part->parts, part);
    part->is_unreadable =
        case_collector_add(&collector, report, &ignored) < 0 || case_collector_end(&collector, &ignored) < 0;
    case_collector_free(&collector);
}

/* ---- the end ---- */

/* Whether a case of the part, or a stage in front of them, is not right. Without memory it is taken for
 * right: the verdicts of the result are made later. */
static bool has_failure(const struct case_part *part)
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

/* Stop waiting for a part. Bytes of a result that has not arrived as a whole are not there to be read. */
static void leave_part(struct case_part *part)
{
    leave_job(part);
    part->is_done = true;
    if (!part->result || part->result->complete)
        return;
    job_result_unref(part->result);
    part->result = NULL;
}

/* Behind a failure nothing else has to run, if the request says so. */
static void leave_behind(struct case_parts *parts, size_t at)
{
    for (size_t i = at + 1; i < parts->count; i++)
        leave_part(&parts->items[i]);
    note_running(parts);
}

static bool read_reports(struct case_parts *parts)
{
    bool all = true;
    for (size_t i = 0; i < parts->count; i++) {
        struct case_part *part = &parts->items[i];
        if (part->is_done && !part->is_read && part->result && part->result->complete) {
            read_report(part);
            if (parts->request->stops && has_failure(part))
                leave_behind(parts, i);
        }
        all &= part->is_done;
    }
    return all;
}

/* What no report has: stages and cases that did not run. */
static void tell_rest(struct case_parts *parts)
{
    for (size_t i = 0; i < case_request_once(parts->request); i++)
        tell(&parts->items[0], false, i, &parts->stages[i]);
    for (size_t i = 0; i < parts->count; i++) {
        struct case_part *part = &parts->items[i];
        for (size_t at = part->first; at < part->first + part->count; at++)
            tell(part, true, at, &parts->cases[at]);
    }
}

static void report_failure(struct case_parts *parts)
{
    case_parts_leave(parts);
    if (parts->failure == CASE_PROBLEM)
        parts->ops->on_problem(parts, &parts->problem);
    else if (parts->failure == CASE_QUEUE_FULL)
        parts->ops->on_queue_full(parts);
    else
        parts->ops->on_given_up(parts, parts->tries);
}

/* Reports of this size take longer to read and to write as JSON than a request does. */
enum { LONG_REPORT = 256 * 1024, PAUSE_MS = 1 };

static bool has_long_report(const struct case_parts *parts)
{
    size_t size = 0;
    for (size_t i = 0; i < parts->count; i++)
        size += parts->items[i].result ? parts->items[i].result->bytes.size : 0;
    return size > LONG_REPORT;
}

/* Many requests can get the same report in one iteration of the loop. Long ones are not read one behind the
 * other: other connections come in between. Returns true if this one has to wait. */
static bool must_pause(struct case_parts *parts, bool is_long)
{
    if (!is_long || pe_now_us() - parts->jobs->long_report_us >= PAUSE_MS * 1000)
        return false;
    parts->is_waiting_for_timer = true;
    parts->loop->ops->start_timer(parts->loop, &parts->timer, PAUSE_MS);
    return true;
}

static void on_timer(struct loop_timer *timer)
{
    struct case_parts *parts = pe_list_entry(timer, struct case_parts, timer);
    struct jobs *jobs = parts->jobs;
    bool is_long = !parts->failure && has_long_report(parts);
    parts->is_waiting_for_timer = false;
    if (must_pause(parts, is_long))
        return;
    if (parts->failure) {
        report_failure(parts);
    } else if (read_reports(parts)) {
        tell_rest(parts);
        parts->ops->on_done(parts);
    }
    if (is_long)
        jobs->long_report_us = pe_now_us();
}

/* ---- starting ---- */

static const struct job_waiter_ops waiter_ops = {
    .on_start = on_start,
    .on_output = on_output,
    .on_result = on_result,
    .on_progress = on_progress,
    .on_lost = on_lost,
    .on_returned = on_returned,
    .on_problem = on_problem,
    .on_queue_full = on_queue_full,
    .on_given_up = on_given_up,
};

static void take_result(struct case_part *part, struct job_result *result, bool is_cached)
{
    part->result = job_result_ref(result);
    part->is_cached = is_cached;
    part->is_done = true;
    conclude_soon(part->parts);
}

/* A result from the cache, or one that says that the job is held back. */
static int find_result(struct case_part *part, const struct case_start *start, struct pe_error *err)
{
    struct jobs *jobs = start->jobs;
    const struct pe_job_spec *spec = &part->job.spec;
    struct job_result *found = start->share ? cache_find(jobs->cache, &part->key, spec->isolation) : NULL;
    if (found) {
        take_result(part, found, true);
        return 1;
    }
    if (!poison_holds(jobs->poison, &part->key, start->arrived_us))
        return 0;
    found = job_result_vm_error(&jobs->budget->used, spec->image, start->digest,
                                "this job killed three slots of workers recently: it is held back", err);
    if (!found)
        return -1;
    take_result(part, found, false);
    job_result_unref(found);
    return 1;
}

static int start_part(struct case_part *part, const struct case_start *start, size_t bytes,
                      struct pe_error *err)
{
    part->waiter = (struct job_waiter){.ops = &waiter_ops,
                                       .submission = &part->job,
                                       .client = start->client,
                                       .trace = start->trace,
                                       .arrived_us = start->arrived_us,
                                       .bytes = bytes,
                                       .watches = start->watches};
    part->job.salt = start->salt;
    if (job_key_make(&part->job, start->identity, &part->key, err) < 0)
        return -1;
    int found = find_result(part, start, err);
    if (found)
        return found < 0 ? -1 : 0;
    struct job *job = start->share ? job_find(start->jobs, &part->key, part->job.spec.isolation) : NULL;
    if (job)
        return job_join(job, &part->waiter, err);
    const struct job_request request = {.waiter = &part->waiter,
                                        .id = start->id,
                                        .key = &part->key,
                                        .image_digest = start->digest,
                                        .image_identity = start->identity,
                                        .share = start->share,
                                        .keep = start->keep};
    return job_begin(start->jobs, &request, err);
}

int case_parts_start(struct case_parts *parts, const struct case_start *start, struct pe_error *err)
{
    parts->loop = start->jobs->loop;
    parts->jobs = start->jobs;
    parts->budget = start->jobs->budget;
    parts->timer.on_expire = on_timer;
    for (size_t i = 0; i < parts->count; i++) {
        size_t bytes = parts->items[i].job.owned_text.capacity + (i ? 0 : start->bytes);
        if (start_part(&parts->items[i], start, bytes, err) < 0) {
            case_parts_leave(parts);
            return -1;
        }
    }
    return 0;
}

const struct job *case_parts_job(const struct case_parts *parts)
{
    const struct job *found = NULL;
    for (size_t i = 0; i < parts->count && !(found && found->entry.slot); i++)
        found = parts->items[i].waiter.job ? parts->items[i].waiter.job : found;
    return found;
}

/* ---- leaving ---- */

void case_parts_leave(struct case_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        leave_job(&parts->items[i]);
    if (parts->is_waiting_for_timer)
        parts->loop->ops->stop_timer(parts->loop, &parts->timer);
    parts->is_waiting_for_timer = false;
}

void case_parts_forget(struct case_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        job_result_unref(parts->items[i].result);
        parts->items[i].result = NULL;
        free_live(parts, &parts->items[i]);
    }
    for (size_t i = 0; i < CASE_STAGES_MAX; i++)
        case_outcome_free(&parts->stages[i]);
    for (size_t i = 0; parts->cases && i < parts->request->case_count; i++)
        case_outcome_free(&parts->cases[i]);
    hold(parts, &parts->holds, 0);
}

void case_parts_free(struct case_parts *parts)
{
    case_parts_leave(parts);
    case_parts_forget(parts);
    for (size_t i = 0; i < parts->count; i++)
        submission_free(&parts->items[i].job);
    free(parts->items);
    free(parts->cases);
    free(parts->case_was_told);
    *parts = (struct case_parts){0};
}
