/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around lb/core in its unit tests: an event loop whose time the test decides, slots and
 * waiters that note what they are told, and a balancer made of them. Everything is static:
 * the tests in test_job.c and test_job_news.c each have their own. */
#ifndef PE_TESTS_UNIT_FAKE_CORE_H
#define PE_TESTS_UNIT_FAKE_CORE_H

#include "lb/core/job.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- a loop whose time the tests decide ---- */

enum { TIMERS_MAX = 8, RETRY_MS = 100 };

struct fake_loop {
    struct loop loop;
    struct {
        struct loop_timer *timer; /* NULL: unused */
        unsigned delay_ms;
    } timers[TIMERS_MAX];
};

/* loop_ops: remember the timer and its delay. */
static void start_timer(struct loop *self, struct loop_timer *timer, unsigned delay_ms)
{
    struct fake_loop *loop = pe_list_entry(self, struct fake_loop, loop);
    for (int i = 0; i < TIMERS_MAX; i++) {
        assert_ptr_not_equal(loop->timers[i].timer, timer);
        if (loop->timers[i].timer)
            continue;
        loop->timers[i].timer = timer;
        loop->timers[i].delay_ms = delay_ms;
        return;
    }
    fail_msg("more than %d timers", TIMERS_MAX);
}

/* loop_ops: forget the timer. */
static void stop_timer(struct loop *self, struct loop_timer *timer)
{
    struct fake_loop *loop = pe_list_entry(self, struct fake_loop, loop);
    for (int i = 0; i < TIMERS_MAX; i++)
        if (loop->timers[i].timer == timer)
            loop->timers[i].timer = NULL;
}

/* Let `delay_ms` pass: 0 is the end of an iteration. Returns how many timers expired. */
static int expire(struct fake_loop *loop, unsigned delay_ms)
{
    int expired = 0;
    for (int i = 0; i < TIMERS_MAX; i++) {
        struct loop_timer *timer = loop->timers[i].timer;
        if (!timer || loop->timers[i].delay_ms != delay_ms)
            continue;
        loop->timers[i].timer = NULL;
        expired++;
        timer->on_expire(timer);
    }
    return expired;
}

static const struct loop_ops loop_ops = {.start_timer = start_timer, .stop_timer = stop_timer};

/* ---- slots that note what they are told ---- */

struct fake_slot {
    struct slot slot;
    struct scheduler *scheduler;
    struct job *job;
    int started, canceled, dismissed, served;
};

/* The fake around a slot. */
static struct fake_slot *from_slot(struct slot *slot)
{
    return pe_list_entry(slot, struct fake_slot, slot);
}

/* slot_ops: remember the job. */
static void on_slot_start(struct slot *slot, struct job *job)
{
    from_slot(slot)->job = job;
    from_slot(slot)->started++;
}

/* slot_ops: give the job back. */
static void on_slot_cancel(struct slot *slot)
{
    struct fake_slot *self = from_slot(slot);
    scheduler_entry_remove(self->scheduler, &self->job->entry);
    self->job = NULL;
    self->canceled++;
}

/* slot_ops: count. */
static void on_slot_dismiss(struct slot *slot)
{
    from_slot(slot)->dismissed++;
}

/* slot_ops: count. */
static void on_slot_serve(struct slot *slot)
{
    from_slot(slot)->served++;
}

static const struct slot_ops slot_ops = {
    .start = on_slot_start, .cancel = on_slot_cancel, .serve = on_slot_serve, .dismiss = on_slot_dismiss};

/* ---- waiters that note what they are told, and leave when a test wants it ---- */

struct fake_waiter {
    struct job_waiter waiter;
    struct submission submission;
    struct client_queue client;
    struct fake_waiter *leaves; /* who leaves when this one is told of output, a result or a return: itself,
                                   another one, NULL */
    int starts, outputs, results, progresses, losses, returns, problems, full;
    unsigned given_up_after;
    int status; /* of the last result */
};

/* The fake around a waiter. */
static struct fake_waiter *from_waiter(struct job_waiter *waiter)
{
    return pe_list_entry(waiter, struct fake_waiter, waiter);
}

/* waiter_ops: count. */
static void on_start(struct job_waiter *waiter)
{
    from_waiter(waiter)->starts++;
}

/* waiter_ops: count, and let a waiter leave. */
static void on_output(struct job_waiter *waiter)
{
    struct fake_waiter *self = from_waiter(waiter);
    assert_int_equal(self->results, 0);
    self->outputs++;
    if (self->leaves)
        job_leave(&self->leaves->waiter);
}

/* waiter_ops: count, remember the status, and let a waiter leave. */
static void on_result(struct job_waiter *waiter, struct job_result *result, bool stored)
{
    struct fake_waiter *self = from_waiter(waiter);
    assert_false(stored);
    self->results++;
    self->status = result->fields.status;
    if (self->leaves)
        job_leave(&self->leaves->waiter);
}

/* waiter_ops: count, and leave a job that is complete. */
static void on_progress(struct job_waiter *waiter)
{
    struct job_result *result = waiter->job->result;
    from_waiter(waiter)->progresses++;
    if (result->complete)
        job_leave(waiter);
}

/* waiter_ops: count. */
static void on_lost(struct job_waiter *waiter)
{
    from_waiter(waiter)->losses++;
}

/* waiter_ops: count, and let a waiter leave. */
static void on_returned(struct job_waiter *waiter)
{
    struct fake_waiter *self = from_waiter(waiter);
    self->returns++;
    if (self->leaves)
        job_leave(&self->leaves->waiter);
}

/* waiter_ops: count. */
static void on_problem(struct job_waiter *waiter, const struct pe_problem *problem)
{
    assert_int_equal(problem->status, 422);
    from_waiter(waiter)->problems++;
    job_leave(waiter);
}

/* waiter_ops: count. */
static void on_queue_full(struct job_waiter *waiter)
{
    from_waiter(waiter)->full++;
    job_leave(waiter);
}

/* waiter_ops: count, and remember how many tries there were. */
static void on_given_up(struct job_waiter *waiter, unsigned slots)
{
    from_waiter(waiter)->given_up_after = slots;
    job_leave(waiter);
}

static const struct job_waiter_ops waiter_ops = {.on_start = on_start,
                                                 .on_output = on_output,
                                                 .on_result = on_result,
                                                 .on_progress = on_progress,
                                                 .on_lost = on_lost,
                                                 .on_returned = on_returned,
                                                 .on_problem = on_problem,
                                                 .on_queue_full = on_queue_full,
                                                 .on_given_up = on_given_up};

/* ---- one balancer without edges ---- */

struct core {
    struct fake_loop loop;
    struct scheduler scheduler;
    struct dispatch dispatch;
    struct cache cache;
    struct result_store store;
    struct result_store_settings store_settings;
    struct poison poison;
    struct metrics metrics;
    struct byte_budget budget;
    struct jobs jobs;
    struct fake_slot slots[3];
};

static const int registrations[3]; /* their addresses stand for connections */
static const struct job_key key = {{1}};
static char image[] = "gcc:14";
static const struct pe_isolation_set anything; /* no demand */

/* Make a balancer for one test, in *state. */
static int set_up(void **state)
{
    struct pe_error err;
    struct core *core = calloc(1, sizeof *core);
    const struct queue_limits limits = {.jobs = 3, .bytes = 1000};
    core->loop.loop.ops = &loop_ops;
    scheduler_init(&core->scheduler, &limits);
    dispatch_init(&core->dispatch, &core->scheduler, &core->loop.loop);
    cache_init(&core->cache, 1 << 20);
    byte_budget_init(&core->budget, 1 << 20, &core->cache.bytes);
    assert_int_equal(
        result_store_init(&core->store, &core->loop.loop, &core->store_settings, &core->budget.used, &err),
        0);
    core->jobs = (struct jobs){.scheduler = &core->scheduler,
                               .dispatch = &core->dispatch,
                               .cache = &core->cache,
                               .store = &core->store,
                               .poison = &core->poison,
                               .metrics = &core->metrics,
                               .budget = &core->budget,
                               .loop = &core->loop.loop,
                               .poison_us = 1000000};
    *state = core;
    return 0;
}

/* Every test ends with all jobs freed, so nothing may be left. */
static int tear_down(void **state)
{
    struct core *core = *state;
    for (int i = 0; i < 3; i++)
        scheduler_slot_remove(&core->scheduler, &core->slots[i].slot);
    assert_int_equal(core->scheduler.queued_count, 0);
    assert_int_equal(core->scheduler.running_count, 0);
    assert_null(core->jobs.shared);
    for (int i = 0; i < 3; i++)
        scheduler_worker_gone(&core->scheduler, &registrations[i]);
    free(core);
    return 0;
}

/* Let `worker-NUMBER` say hello with one image. */
static void register_worker(struct core *core, int number)
{
    struct pe_error err;
    struct pe_hello hello = {.slots = 4, .isolation = PE_ISOLATION_KERNEL};
    snprintf(hello.host, sizeof hello.host, "worker-%d", number);
    hello.images = json_pack("[{s:s, s:s}]", "name", image, "digest", DIGEST);
    assert_int_equal(scheduler_worker_hello(&core->scheduler, &registrations[number], &hello, &err), 0);
    json_decref(hello.images);
}

/* Let a slot of `worker-WORKER` connect and be ready. */
static void add_ready_slot(struct core *core, struct fake_slot *slot, int worker)
{
    char name[32];
    snprintf(name, sizeof name, "worker-%d", worker);
    *slot = (struct fake_slot){.slot = {.ops = &slot_ops}, .scheduler = &core->scheduler};
    scheduler_slot_add(&core->scheduler, &slot->slot);
    scheduler_slot_ready(&core->scheduler, &slot->slot, name, "");
    dispatch_soon(&core->dispatch);
}

/* A waiter for a job with that image, which does not wait yet. */
static void init_waiter(struct fake_waiter *waiter)
{
    *waiter = (struct fake_waiter){.submission = {.spec = {.image = image}}};
    waiter->waiter = (struct job_waiter){
        .ops = &waiter_ops, .submission = &waiter->submission, .client = &waiter->client, .bytes = 1};
}

/* Begin a job that demands an isolation. `share`: requests with the same key may join it. Returns what
 * job_begin returns; the only failure is PE_ERR_BUSY. */
static inline int begin_demanding(struct core *core, struct fake_waiter *waiter, bool share,
                                  struct pe_isolation_set demand)
{
    struct pe_error err;
    const struct job_request request = {.waiter = &waiter->waiter,
                                        .id = "0123456789abcdef0123456789abcdef",
                                        .key = &key,
                                        .image_digest = DIGEST,
                                        .share = share};
    init_waiter(waiter);
    waiter->submission.spec.isolation = demand;
    int failed = job_begin(&core->jobs, &request, &err);
    if (failed)
        assert_int_equal(err.kind, PE_ERR_BUSY);
    return failed;
}

/* The same without a demand. */
static inline int begin(struct core *core, struct fake_waiter *waiter, bool share)
{
    return begin_demanding(core, waiter, share, anything);
}

/* Let a waiter join a job that another one began. */
static void join(struct job *job, struct fake_waiter *waiter)
{
    struct pe_error err;
    assert_int_equal(job_join(job, &waiter->waiter, &err), 0);
}

/* What a slot does when its worker goes away, or only the slot. */
static inline void lose(struct core *core, struct fake_slot *slot)
{
    uint64_t serial = slot->slot.worker ? slot->slot.worker->claim->serial : 0;
    struct job *job = slot->job;
    slot->job = NULL;
    scheduler_entry_remove(&core->scheduler, &job->entry);
    scheduler_slot_remove(&core->scheduler, &slot->slot);
    job_on_lost(job, serial, "a test");
}

/* What a slot does when its worker gives the job back, because another balancer has the slot. */
static inline void give_back(struct core *core, struct fake_slot *slot)
{
    struct job *job = slot->job;
    slot->job = NULL;
    scheduler_entry_remove(&core->scheduler, &job->entry);
    scheduler_slot_withdraw(&core->scheduler, &slot->slot);
    job_on_returned(job, slot->slot.worker->claim->serial);
}

/* What a slot does when its worker reports that the VM died. The slot is ready again. */
static inline void lose_vm(struct core *core, struct fake_slot *slot)
{
    struct job *job = slot->job;
    slot->job = NULL;
    scheduler_entry_remove(&core->scheduler, &job->entry);
    job_on_vm_lost(job, slot->slot.worker->claim->serial, "the VMM ended");
    scheduler_slot_ready(&core->scheduler, &slot->slot, slot->slot.worker_name, "");
    dispatch_soon(&core->dispatch);
}

/* Let the time pass after which a lost job is tried again, or concluded. */
static inline void retry(struct core *core)
{
    expire(&core->loop, 0);
    assert_int_equal(expire(&core->loop, RETRY_MS), 1);
    expire(&core->loop, 0);
}

/* What a slot does when its worker sends a result: status `exited`, and `size` bytes of stdout to come. */
static void send_result_of(struct job *job, size_t size)
{
    struct pe_error err;
    pe_automessage struct pe_message message = {.kind = PE_MESSAGE_RESULT,
                                                .result = {.status = PE_STATUS_EXITED}};
    assert_int_equal(pe_parts_add(&message.parts, PE_PART_STDOUT, NULL, size, 0, &err), 0);
    assert_int_equal(pe_parts_add(&message.parts, PE_PART_STDERR, NULL, 0, 0, &err), 0);
    assert_int_equal(job_on_result(job, &message, &err), 0);
}

/* The same with two bytes. */
static inline void send_result(struct job *job)
{
    send_result_of(job, 2);
}

/* What a slot does for a job from its result to its end, after which the slot is not ready again. */
static inline void finish(struct core *core, struct fake_slot *slot)
{
    struct pe_error err;
    struct job *job = slot->job;
    send_result(job);
    assert_int_equal(job_on_bytes(job, "ok", 2, &err), 0);
    slot->job = NULL;
    scheduler_entry_remove(&core->scheduler, &job->entry);
    job_on_end(job);
}

#endif
