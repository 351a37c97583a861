/* SPDX-License-Identifier: Apache-2.0 */
/* The part of an exchange that is only there if its job has stages: the jobs that run it (lb/cases/parts.h)
 * take the place of the one job that other exchanges wait for. */
#include "lb/api/exchange.h"

#include "base/io.h"

#include <stdlib.h>

/* ---- what the parts report ---- */

static struct exchange *from_parts(struct case_parts *parts)
{
    return pe_list_entry(parts, struct exchange_cases, parts)->exchange;
}

/* The time in which some part is on a slot does not count as waiting. */
static void on_running(struct case_parts *parts, bool is_running)
{
    struct exchange *exchange = from_parts(parts);
    if (!is_running) {
        deadline_resume(exchange->exchanges->deadlines, &exchange->deadline);
        return;
    }
    deadline_pause(&exchange->deadline);
    if (!exchange->started_us)
        exchange->started_us = pe_now_us();
    exchange_events_start(exchange);
}

/* A stage or a case that has ended, and what was decided about it. */
struct told {
    bool is_case;
    size_t index;
    const struct case_run *run;
    const struct case_outcome *outcome;
    enum pe_status job;
    int verdict;
};

/* The event of a run as JSON, which borrows the output. */
static int make_event(const struct told *told, const struct case_outcome *outcome,
                      struct pe_json_pieces *event, struct pe_error *err)
{
    bool is_judged = told->is_case || case_run_is_judged(told->run);
    struct pe_json_writer writer = pe_json_write(&event->text, err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "type", told->is_case ? "case" : "stage");
    pe_json_append_number(&writer, "index", told->index);
    case_outcome_append(outcome, told->run, told->job, is_judged ? told->verdict : -1, event, &writer);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

static struct pe_stage_report without_output(const struct pe_stage_report *run)
{
    struct pe_stage_report bare = *run;
    bare.out_cut += run->out.size;
    bare.error_cut += run->error.size;
    bare.out = bare.error = bare.both = (struct pe_buf){0};
    return bare;
}

/* The event of a run. If there is no room for it among the results, its output is left out, and the event
 * says so. */
static int add_event(struct exchange *exchange, const struct told *told, struct pe_error *err)
{
    pe_autojsonpieces struct pe_json_pieces event = {0};
    if (make_event(told, told->outcome, &event, err) < 0)
        return -1;
    if (!exchange_has_room(exchange, pe_json_pieces_bytes(&event))) {
        struct case_outcome bare = *told->outcome;
        bare.run = without_output(&told->outcome->run);
        bare.check = without_output(&told->outcome->check);
        pe_json_pieces_free(&event);
        if (make_event(told, &bare, &event, err) < 0)
            return -1;
    }
    return pe_json_pieces_own(&event, err) < 0
               ? -1
               : event_encoder_add_run(exchange->events, told->is_case, &event, err);
}

/* Without memory, there is no event. The result has everything, too. */
static void on_outcome(struct case_parts *parts, bool is_case, size_t index,
                       const struct case_outcome *outcome, enum pe_status job)
{
    struct exchange *exchange = from_parts(parts);
    const struct case_request *request = parts->request;
    struct told told = {.is_case = is_case,
                        .index = index,
                        .run = is_case ? &request->cases[index].run : &request->stages[index].run,
                        .outcome = outcome,
                        .job = job};
    struct pe_error ignored;
    if (!exchange->events)
        return;
    told.verdict = case_outcome_judge(outcome, told.run, job, &ignored);
    if (told.verdict < 0 || add_event(exchange, &told, &ignored) < 0)
        return;
    exchange_hold_memory(exchange);
    exchange_send_soon(exchange);
}

/* Reading a long report takes time, which is not that of the queue. */
static void on_ended(struct case_parts *parts)
{
    deadline_pause(&from_parts(parts)->deadline);
}

static void on_done(struct case_parts *parts, struct job_result *result, const struct pe_error *err)
{
    struct exchange *exchange = from_parts(parts);
    if (!result) {
        struct pe_problem problem = pe_problem_from_error(err);
        exchange_send_problem(exchange, &problem);
        return;
    }
    if (case_parts_are_cached(parts))
        exchange->source = SOURCE_HIT_MEMORY;
    exchange_send_result(exchange, result);
}

static void on_problem(struct case_parts *parts, const struct pe_problem *problem)
{
    exchange_send_forwarded(from_parts(parts), problem);
}

static void on_queue_full(struct case_parts *parts)
{
    exchange_refuse_for_queue(from_parts(parts));
}

static void on_given_up(struct case_parts *parts, unsigned tries)
{
    exchange_give_up(from_parts(parts), tries);
}

static const struct case_parts_ops parts_ops = {
    .on_running = on_running,
    .on_outcome = on_outcome,
    .on_ended = on_ended,
    .on_done = on_done,
    .on_problem = on_problem,
    .on_queue_full = on_queue_full,
    .on_given_up = on_given_up,
};

/* ---- life ---- */

int exchange_cases_open(struct exchange *exchange, struct pe_error *err)
{
    const struct submission *submission = &exchange->submission;
    if (!submission_has_stages(submission))
        return 0;
    struct exchange_cases *cases = calloc(1, sizeof *cases);
    if (!cases)
        return pe_fail_errno(err, "a job with stages");
    exchange->cases = cases;
    cases->exchange = exchange;
    if (case_request_decode(submission, &exchange->exchanges->case_rules, &cases->request, err) < 0 ||
        case_parts_make(&cases->parts, &cases->request, submission, err) < 0)
        return -1;
    cases->parts.ops = &parts_ops;
    return 0;
}

int exchange_cases_start(struct exchange *exchange, struct pe_error *err)
{
    struct exchange_cases *cases = exchange->cases;
    const struct case_start start = {.jobs = exchange->exchanges->jobs,
                                     .client = exchange->waiter.client,
                                     .trace = exchange->waiter.trace,
                                     .salt = exchange->submission.salt,
                                     .arrived_us = exchange->waiter.arrived_us,
                                     .bytes = exchange->waiter.bytes + cases->request.bytes,
                                     .id = exchange->id,
                                     .digest = exchange->digest,
                                     .identity = exchange->identity,
                                     .share = exchange->caching == CACHING_USE,
                                     .keep = exchange->caching != CACHING_NONE,
                                     .watches = exchange->events != NULL};
    int failed = case_parts_start(&cases->parts, &start, err);
    exchange->key = cases->parts.items[0].key;
    return failed;
}
