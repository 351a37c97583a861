/* SPDX-License-Identifier: Apache-2.0 */
/* The job of a session: it is let in or refused, waits for a slot, and reports what happens to it. */
#include "lb/api/live_session.h"

#include "base/io.h"
#include "lb/api/refusals.h"
#include "lb/edge/problems.h"
#include "proto/limits.h"

#include <stdio.h>

static const struct pe_problem no_problem;

static struct live_session *from_waiter(struct job_waiter *waiter)
{
    return pe_list_entry(waiter, struct live_session, waiter);
}

/* ---- what the job reports ---- */

static void on_start(struct job_waiter *waiter)
{
    struct live_session *session = from_waiter(waiter);
    const bool is_again = session->events.must_start; /* after a worker gave the job back */
    session->phase = LIVE_RUNNING;
    snprintf(session->worker, sizeof session->worker, "%s", waiter->job->host);
    session->started_us = session->active_us = pe_now_us();
    session->deadline.at_us = session->active_us + session->sessions->limits.idle_us;
    if (is_again)
        return;
    event_encoder_start(&session->events);
    live_session_send(session);
}

/* Without the memory for it, a terminal would be silent until its end. */
static void on_output(struct job_waiter *waiter)
{
    struct live_session *session = from_waiter(waiter);
    const struct live_output *live = waiter->job->live;
    session->active_us = pe_now_us();
    event_encoder_set_live(&session->events, waiter->job->live);
    if (!live->is_incomplete[LIVE_STDOUT] && !live->is_incomplete[LIVE_STDERR]) {
        live_session_send(session);
        return;
    }
    struct pe_problem problem =
        problem_make("no-capacity", "there is no memory left for output that was not read (--results-mib)");
    live_session_fail(session, &problem);
}

static void on_taken(struct job_waiter *waiter, size_t bytes)
{
    struct live_session *session = from_waiter(waiter);
    event_encoder_note_taken(&session->events, bytes);
    live_session_send(session);
}

static void on_progress(struct job_waiter *waiter)
{
    struct live_session *session = from_waiter(waiter);
    if (session->events.result && session->events.result->complete)
        live_session_end(session);
    else
        live_session_send(session);
}

static void on_result(struct job_waiter *waiter, struct job_result *result, bool stored)
{
    struct live_session *session = from_waiter(waiter);
    struct pe_result fields = result->fields;
    (void)stored;
    fields.cached = false;
    fields.phase_us[PE_PHASE_QUEUE] = session->started_us - waiter->arrived_us;
    event_encoder_set_result(&session->events, result, &fields);
    on_progress(waiter);
}

/* on_given_up() follows at once. */
static void on_lost(struct job_waiter *waiter)
{
    (void)waiter;
}

/* The client was told that the program starts, and needs not know that it starts a bit later. The job waits
 * for a slot as it did at first, and pays nothing for that. */
static void on_returned(struct job_waiter *waiter)
{
    struct live_session *session = from_waiter(waiter);
    session->phase = LIVE_WAITING;
    session->started_us = 0;
    session->deadline.at_us = pe_now_us() + session->sessions->exchanges->queue_wait_us;
}

static void on_problem(struct job_waiter *waiter, const struct pe_problem *problem)
{
    live_session_fail(from_waiter(waiter), problem);
}

static void refuse_for_capacity(struct live_session *session, const char *what)
{
    struct pe_problem problem =
        refusal_no_capacity(session->sessions->exchanges->jobs, session->waiter.client, what);
    live_session_fail(session, &problem);
}

static void on_queue_full(struct job_waiter *waiter)
{
    refuse_for_capacity(from_waiter(waiter), "the queue is full");
}

static void on_given_up(struct job_waiter *waiter, unsigned tries)
{
    const struct job *job = waiter->job;
    bool of_vm = tries && job->losses[tries - 1].of_vm;
    struct pe_problem problem =
        problem_make(of_vm ? "vm-lost" : "slot-lost",
                     "the program is lost, and with it what was typed; the reason: %s", job->last_loss);
    live_session_fail(from_waiter(waiter), &problem);
}

static const struct job_waiter_ops waiter_ops = {
    .on_start = on_start,
    .on_output = on_output,
    .on_taken = on_taken,
    .on_result = on_result,
    .on_progress = on_progress,
    .on_lost = on_lost,
    .on_returned = on_returned,
    .on_problem = on_problem,
    .on_queue_full = on_queue_full,
    .on_given_up = on_given_up,
};

/* ---- admission; these functions return a problem, or one with the status 0 ---- */

/* How many sessions may have a job at a time. */
static size_t sessions_max(const struct live_sessions *sessions)
{
    size_t half = sessions->exchanges->jobs->scheduler->slot_count / 2;
    return sessions->limits.jobs ? (size_t)sessions->limits.jobs : half ? half : 1;
}

static struct pe_problem let_in(struct live_session *session)
{
    struct live_sessions *sessions = session->sessions;
    struct pe_error err;
    unsigned retry_s = 0;
    if (sessions->exchanges->draining)
        return problem_make("no-capacity", "the balancer is shutting down");
    session->client =
        client_enter(sessions->exchanges->clients, &session->who, session->waiter.arrived_us, &retry_s, &err);
    if (!session->client)
        return err.kind == PE_ERR_BUSY ? problem_make("too-many-requests", "%s", err.message)
                                       : pe_problem_from_error(&err);
    session->waiter.client = &session->client->queue;
    if (sessions->jobs >= sessions_max(sessions)) {
        sessions->refused++;
        return problem_make("no-capacity",
                            "%zu interactive jobs wait or run, which is the limit (--interactive-jobs); "
                            "try again later",
                            sessions->jobs);
    }
    sessions->jobs++;
    session->is_counted = true;
    return no_problem;
}

/* What holds for a job whose input is typed. */
static struct pe_problem complete_spec(struct live_session *session, bool has_timeout)
{
    struct pe_job_spec *spec = &session->submission.spec;
    uint64_t total_ms = session->sessions->limits.total_ms;
    if (spec->stdin_name)
        return problem_make("invalid-job",
                            "'stdin' names a file, but standard input is what the client sends");
    if (has_timeout && spec->timeout_ms > total_ms)
        return problem_make("invalid-job", "'timeout_ms' is %u; an interactive job may have at most %llu ms",
                            spec->timeout_ms, (unsigned long long)total_ms);
    if (!has_timeout)
        spec->timeout_ms = (uint32_t)total_ms;
    pe_job_spec_set_live_defaults(spec);
    session->submission.spec_text = (struct pe_cursor){0}; /* the worker gets the completed job */
    return no_problem;
}

static bool is_known(const struct live_session *session)
{
    const struct scheduler *scheduler = session->sessions->exchanges->jobs->scheduler;
    const struct pe_job_spec *spec = &session->submission.spec;
    return scheduler_has_live(scheduler, spec->image, spec->isolation);
}

/* Why no worker that is connected can run the job. */
static struct pe_problem missing_worker(const struct live_session *session)
{
    const struct scheduler *scheduler = session->sessions->exchanges->jobs->scheduler;
    const struct pe_job_spec *spec = &session->submission.spec;
    if (scheduler->known_count == 0)
        return refusal_no_worker();
    if (!scheduler_find_image(scheduler, spec->image, spec->isolation))
        return refusal_no_suitable_worker(scheduler, spec);
    if (!is_known(session))
        return problem_make(
            "live-unavailable",
            "the workers that have the image '%s' cannot run interactive jobs: they are of an "
            "older version",
            spec->image);
    return no_problem;
}

/* ---- waiting ---- */

static uint64_t waits_until(const struct live_session *session)
{
    return session->waiter.arrived_us + session->sessions->exchanges->queue_wait_us;
}

static void on_slot_wait_over(struct live_session *session)
{
    struct pe_problem problem = missing_worker(session);
    if (problem.status)
        live_session_fail(session, &problem);
    else
        refuse_for_capacity(session, "no slot became free for the job in its time");
}

/* The workers are known. */
static void begin_job(struct live_session *session)
{
    struct jobs *jobs = session->sessions->exchanges->jobs;
    const struct pe_job_spec *spec = &session->submission.spec;
    struct pe_error err;
    struct pe_problem problem = missing_worker(session);
    if (problem.status) {
        live_session_fail(session, &problem);
        return;
    }
    static const struct job_key no_key;
    const struct catalog_entry *entry = scheduler_find_image(jobs->scheduler, spec->image, spec->isolation);
    const struct job_request request = {.waiter = &session->waiter,
                                        .id = session->id,
                                        .key = &no_key,
                                        .image_digest = entry ? entry->digest : ""};
    session->on_waited = on_slot_wait_over;
    session->deadline.at_us = waits_until(session);
    session->waiter.ops = &waiter_ops;
    session->waiter.watches = true;
    session->waiter.input = &session->input;
    session->waiter.submission = &session->submission;
    if (job_begin(jobs, &request, &err) == 0) {
        session->sessions->started++;
        live_session_send(session);
    } else if (err.kind == PE_ERR_BUSY) {
        refuse_for_capacity(session, err.message);
    } else {
        live_session_fail_error(session, &err);
    }
}

/* Just after the start of the balancer, workers are still connecting. */
static bool must_wait_for_workers(const struct live_session *session)
{
    return session->sessions->exchanges->gathering && !is_known(session);
}

/* Called every 100 ms. */
static void look_for_workers(struct live_session *session)
{
    if (!must_wait_for_workers(session))
        begin_job(session);
}

void live_session_run(struct live_session *session, bool has_timeout)
{
    session->phase = LIVE_WAITING;
    session->waiter.arrived_us = pe_now_us();
    session->waiter.bytes = (size_t)session->submission.total + session->submission.owned_text.size;
    session->on_waited = look_for_workers;
    session->deadline.at_us = 0;
    struct pe_problem problem = complete_spec(session, has_timeout);
    if (!problem.status)
        problem = let_in(session);
    if (problem.status)
        live_session_fail(session, &problem);
    else if (must_wait_for_workers(session))
        live_session_send(session); /* that it was admitted */
    else
        begin_job(session);
}
