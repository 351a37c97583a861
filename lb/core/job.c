/* A task's way. Whoever walks through a task's runs counts itself in `busy`: a run may leave inside a call to
 * it, and the task must not end under the walker's feet. */
#include "lb/core/job.h"

#include "base/io.h"
#include "base/log.h"
#include "lb/api/exchange.h"
#include "lb/edge/problems.h"
#include "lb/server.h"
#include "lb/workers/slot_conn.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the list of tasks that can be joined ---- */

static int compare_tasks(const void *left, const void *right)
{
    const struct task *a = left, *b = right;
    return job_key_compare(&a->key, &b->key);
}

struct task *task_find(struct server *server, const struct job_key *key)
{
    const struct task wanted = {.key = *key};
    struct task *const *found = tfind(&wanted, &server->tasks, compare_tasks);
    return found ? *found : NULL;
}

static void stop_sharing(struct task *task)
{
    if (task->shared)
        tdelete(task, &task->server->tasks, compare_tasks);
    task->shared = false;
}

/* ---- life ---- */

static void end_task(struct task *task)
{
    struct server *server = task->server;
    stop_sharing(task);
    if (task->looking)
        store_forget(&server->store, task);
    h2o_timeout_unlink(&task->retry_entry);
    if (task->job.slot)
        slot_link_cancel(task->job.slot);
    scheduler_job_remove(&server->scheduler, &task->job);
    outcome_unref(task->outcome);
    free(task);
}

static void release(struct task *task)
{
    if (--task->busy == 0 && task->runs.next == &task->runs)
        end_task(task);
}

/* Every run, also when the one it is called for leaves inside. */
static void for_each_run(struct task *task, void (*call)(struct run *run))
{
    task->busy++;
    for (struct list *node = task->runs.next, *next; node != &task->runs; node = next) {
        next = node->next;
        call(list_entry(node, struct run, in_task));
    }
    release(task);
}

static int enqueue(struct task *task, bool front, struct pe_error *err)
{
    if (scheduler_submit(&task->server->scheduler, &task->job, front, err) < 0)
        return -1;
    return 0;
}

int task_begin(struct run *run, bool share, struct pe_error *err)
{
    struct server *server = run->server;
    struct task *task = calloc(1, sizeof *task);
    if (!task)
        return pe_fail_errno(err, "a job");
    *task = (struct task){.server = server, .key = run->key, .source = run, .busy = 1};
    memcpy(task->id, run->id, sizeof task->id);
    memcpy(task->digest, run->digest, sizeof task->digest);
    task->keep = run->caching != RUN_CACHE_NONE;
    task->job = (struct sched_job){.client = &run->client->turns,
                                   .image = run->request.job.image,
                                   .bytes = run->req->entity.len + run->piston.contents.capacity};
    list_init(&task->runs);
    list_append(&task->runs, &run->in_task);
    run->task = task;
    if (share && tsearch(task, &server->tasks, compare_tasks))
        task->shared = true;
    task->looking = share && store_look(&server->store, task);
    int failed = task->looking ? 0 : enqueue(task, false, err);
    if (failed)
        task_leave(run);
    release(task);
    return failed;
}

void task_join(struct task *task, struct run *run)
{
    list_append(&task->runs, &run->in_task);
    run->task = task;
    if (task->outcome)
        run_on_outcome(run, task->outcome);
}

/* Another run's request is the same byte for byte, as the key says; its client waits on in the queue. */
static void change_source(struct task *task)
{
    struct pe_error ignored;
    struct scheduler *scheduler = &task->server->scheduler;
    bool queued = list_linked(&task->job.in_queue);
    if (queued)
        scheduler_job_remove(scheduler, &task->job);
    task->source = list_entry(task->runs.next, struct run, in_task);
    task->job.client = &task->source->client->turns;
    task->job.image = task->source->request.job.image;
    if (queued && enqueue(task, true, &ignored) < 0)
        pe_log_about(PE_LOG_ERROR, task->id, "%s", ignored.message);
}

void task_leave(struct run *run)
{
    struct task *task = run->task;
    if (!task)
        return;
    run->task = NULL;
    list_remove(&run->in_task);
    task->busy++;
    if (task->source == run && task->runs.next != &task->runs)
        change_source(task);
    release(task);
}

/* ---- before the slot ---- */

static void say_busy(struct run *run)
{
    run_on_problem(run, NULL);
}

void task_on_lookup(struct task *task, struct outcome *outcome)
{
    struct pe_error err;
    task->looking = false;
    task->busy++;
    if (outcome) {
        stop_sharing(task);
        task->outcome = outcome_ref(outcome);
        cache_put(&task->server->cache, &task->key, outcome);
        for_each_run(task, run_on_stored);
    } else if (enqueue(task, false, &err) < 0) {
        stop_sharing(task);
        for_each_run(task, say_busy);
    }
    struct server *server = task->server;
    release(task);
    server_dispatch(server);
}

void task_on_start(struct task *task)
{
    task->started_us = pe_now_us();
    for (struct list *node = task->runs.next; node != &task->runs; node = node->next)
        run_on_start(list_entry(node, struct run, in_task));
}

/* ---- the result ---- */

static bool is_kept(const struct task *task, const struct pe_result *result, size_t size)
{
    return task->keep && cache_takes(&task->server->cache, size) &&
           (result->status == PE_STATUS_EXITED || result->status == PE_STATUS_SIGNALED) && task->digest[0] &&
           !strcmp(task->digest, result->image_digest);
}

int task_on_result(struct task *task, struct pe_message *message, struct pe_error *err)
{
    struct server *server = task->server;
    size_t size = (size_t)pe_parts_size(&message->parts);
    bool kept = is_kept(task, &message->result, size);
    task->outcome = outcome_new(&server->outcome_bytes, &message->result, &message->parts, err);
    if (!task->outcome)
        return -1;
    task->outcome->stored_at = kept ? (int64_t)time(NULL) : 0;
    task->busy++;
    for (struct list *node = task->runs.next, *next; node != &task->runs; node = next) {
        next = node->next;
        run_on_outcome(list_entry(node, struct run, in_task), task->outcome);
    }
    release(task);
    return 0;
}

int task_on_bytes(struct task *task, const void *bytes, size_t size, struct pe_error *err)
{
    if (outcome_append(task->outcome, bytes, size, err) < 0)
        return -1;
    server_bound_outcomes(task->server);
    for_each_run(task, run_on_progress);
    return 0;
}

/* A moving average: what a slot takes for a job, from `job` to `end`. */
static void note_service_time(struct server *server, uint64_t us)
{
    server->service_us = server->service_us ? (server->service_us * 15 + us) / 16 : us;
}

static void deliver(struct task *task)
{
    task->busy++;
    stop_sharing(task);
    for_each_run(task, run_on_progress);
    release(task);
}

void task_on_end(struct task *task)
{
    struct pe_error err;
    struct server *server = task->server;
    note_service_time(server, pe_now_us() - task->started_us);
    metrics_result(&server->metrics, &task->outcome->result);
    if (outcome_finish(task->outcome, &err) < 0) {
        task_on_lost(task, 0, err.message);
        return;
    }
    if (task->outcome->stored_at) {
        cache_put(&server->cache, &task->key, task->outcome);
        store_put(&server->store, &task->key, task->outcome);
    }
    deliver(task);
}

void task_on_problem(struct task *task, const struct pe_problem *problem)
{
    task->busy++;
    stop_sharing(task);
    for (struct list *node = task->runs.next, *next; node != &task->runs; node = next) {
        next = node->next;
        run_on_problem(list_entry(node, struct run, in_task), problem);
    }
    release(task);
}

/* ---- losing slots ---- */

/* Slots that died with the job while their hosts live on: those it may have killed. */
static unsigned count_kills(const struct task *task)
{
    unsigned kills = 0;
    for (unsigned i = 0; i < task->lost; i++)
        kills += scheduler_host_lives(&task->server->scheduler, task->hosts[i]);
    return kills;
}

static void give_up_as_poison(struct task *task)
{
    struct pe_error err;
    struct server *server = task->server;
    const char *reason = "the worker's slot died while it ran this job, twice";
    pe_log_about(PE_LOG_WARN, task->id, "%s: it is held back for %llu s", reason,
                 (unsigned long long)server->poison_us / 1000000);
    server->metrics.poisoned++;
    if (task->digest[0] && run_make_key(task->source, &err) == 0 && task->source->has_key)
        poison_remember(&server->poison, &task->source->key, pe_now_us() + server->poison_us);
    task->outcome = outcome_vm_error(&server->outcome_bytes, task->job.image, task->digest, reason, &err);
    if (!task->outcome) {
        struct pe_problem problem = pe_problem_from_error(&err);
        task_on_problem(task, &problem);
        return;
    }
    task->busy++;
    for (struct list *node = task->runs.next, *next; node != &task->runs; node = next) {
        next = node->next;
        run_on_outcome(list_entry(node, struct run, in_task), task->outcome);
    }
    deliver(task);
    release(task);
}

/* Only now are the other victims of whatever took the slot known: slots that died with it are not given the
 * job, and a host that died as a whole is not the job's doing. */
static void on_retry(h2o_timeout_entry_t *entry)
{
    struct task *task = H2O_STRUCT_FROM_MEMBER(struct task, retry_entry, entry);
    struct server *server = task->server;
    struct pe_error err;
    task->busy++;
    if (count_kills(task) >= TASK_KILLS_MAX) {
        give_up_as_poison(task);
    } else if (task->lost >= TASK_TRIES_MAX || enqueue(task, true, &err) < 0) {
        struct pe_problem problem = problem_make("job-lost", "%u slots went away with the job", task->lost);
        task_on_problem(task, &problem);
    } else {
        server->metrics.retried++;
    }
    release(task);
    server_dispatch(server);
}

void task_on_lost(struct task *task, uint64_t host_serial, const char *why)
{
    struct server *server = task->server;
    pe_log_about(PE_LOG_WARN, task->id, "its slot is lost: %s", why);
    server->metrics.lost++;
    if (task->lost < TASK_TRIES_MAX)
        task->hosts[task->lost++] = host_serial;
    task->busy++;
    for_each_run(task, run_on_lost); /* those that have begun to answer are broken off */
    outcome_unref(task->outcome);
    task->outcome = NULL;
    if (task->runs.next != &task->runs) {
        task->retry_entry.cb = on_retry;
        h2o_timeout_link(server->ctx.loop, &server->retry, &task->retry_entry);
    }
    release(task);
}

/* ---- waiting ---- */

uint64_t task_wait_us(const struct server *server, size_t before)
{
    size_t capacity = scheduler_capacity(&server->scheduler);
    uint64_t service_us = server->service_us ? server->service_us : 1000000;
    return (before + 1) * service_us / (capacity ? capacity : 1);
}

uint64_t task_expected_wait_us(const struct server *server, const struct sched_client *client)
{
    return task_wait_us(server, scheduler_jobs_ahead(&server->scheduler, client));
}
