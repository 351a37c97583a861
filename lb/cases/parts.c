/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs of a request with stages: how they start, what they report, and when they are not needed any more.
 */
#include "lb/cases/parts.h"

#include "base/io.h"
#include "lb/cases/plan.h"
#include "lb/cases/reports.h"

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

/* ---- what has happened ---- */

static void go_on_after(struct case_parts *parts, uint64_t ms)
{
    if (parts->is_waiting_for_timer)
        return;
    parts->is_waiting_for_timer = true;
    parts->loop->ops->start_timer(parts->loop, &parts->timer, ms);
}

static void conclude_soon(struct case_parts *parts)
{
    go_on_after(parts, 0);
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
    stop_running(part, job_result_cpu_us(fields, part->job.spec.timeout_ms));
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
    case_report_forget(part);
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

static void on_output(struct job_waiter *waiter)
{
    struct case_part *part = from_waiter(waiter);
    case_report_hear(part, live_output_from(waiter->job->live, LIVE_STDOUT, part->position));
}

/* ---- the end ---- */

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

/* Read the reports that have arrived and were not read. Returns true when all parts have ended and were read.
 */
static bool read_reports(struct case_parts *parts, size_t *work)
{
    bool all = true;
    for (size_t i = 0; i < parts->count && *work; i++) {
        struct case_part *part = &parts->items[i];
        bool is_new = part->is_done && !part->is_read && part->result && part->result->complete;
        if (is_new && case_report_read(part, work) && parts->request->stops && case_report_has_failure(part))
            leave_behind(parts, i);
        all &= part->is_done && !part->is_reading;
    }
    return all && *work;
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

/* ---- long reports: they are read and written in pieces, between which the loop does other things ---- */

enum {
    LONG_REPORT = 256 * 1024, /* bytes that take longer than a request does */
    WORK_MAX = 1 << 20,       /* bytes that are read or written in one iteration of the loop */
    PAUSE_MS = 1,             /* until the next one */
};

static bool has_long_report(const struct case_parts *parts)
{
    size_t size = 0;
    for (size_t i = 0; i < parts->count; i++)
        size += parts->items[i].result ? parts->items[i].result->bytes.size : 0;
    return size > LONG_REPORT;
}

/* Many requests can get the same report. They come one after the other, since each needs memory. Returns
 * whether it is the turn of this one; if not, it goes on when the one before leaves the line. */
static bool is_first_in_line(struct case_parts *parts)
{
    struct pe_list *line = &parts->jobs->long_reports;
    if (!pe_list_linked(&parts->in_line))
        pe_list_append(line, &parts->in_line);
    return line->next == &parts->in_line;
}

static void leave_line(struct case_parts *parts)
{
    if (!pe_list_linked(&parts->in_line))
        return;
    struct pe_list *line = &parts->jobs->long_reports;
    bool was_first = line->next == &parts->in_line;
    pe_list_remove(&parts->in_line);
    if (was_first && line->next != line)
        go_on_after(pe_list_entry(line->next, struct case_parts, in_line), PAUSE_MS);
}

static void finish(struct case_parts *parts, struct job_result *result, const struct pe_error *err)
{
    leave_line(parts);
    parts->ops->on_done(parts, result, err);
    job_result_unref(result);
}

static bool have_ended(const struct case_parts *parts)
{
    bool all = true;
    for (size_t i = 0; i < parts->count; i++)
        all &= parts->items[i].is_done;
    return all;
}

/* Read and write as much as may be done in one iteration of the loop. */
static void work(struct case_parts *parts)
{
    struct pe_error err;
    struct job_result *result = NULL;
    size_t left = WORK_MAX;
    bool all = parts->merge || read_reports(parts, &left);
    if (all && !parts->merge)
        case_parts_tell_rest(parts);
    int merged = all ? case_parts_merge(parts, &left, &result, &err) : 0;
    if (merged)
        finish(parts, result, &err);
    else if (all || !left)
        go_on_after(parts, PAUSE_MS);
    else
        leave_line(parts); /* other parts have not ended yet */
}

static void on_timer(struct loop_timer *timer)
{
    struct case_parts *parts = pe_list_entry(timer, struct case_parts, timer);
    parts->is_waiting_for_timer = false;
    if (!parts->failure && have_ended(parts))
        parts->ops->on_ended(parts);
    if (parts->failure) {
        leave_line(parts);
        report_failure(parts);
    } else if (!has_long_report(parts) || is_first_in_line(parts)) {
        work(parts);
    }
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
    if (!parts->jobs->long_reports.next)
        pe_list_init(&parts->jobs->long_reports);
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
    leave_line(parts);
    if (parts->is_waiting_for_timer)
        parts->loop->ops->stop_timer(parts->loop, &parts->timer);
    parts->is_waiting_for_timer = false;
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
