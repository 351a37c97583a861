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

static int compare_jobs(const void *left, const void *right)
{
    const struct job *a = left, *b = right;
    return job_key_compare(&a->key, &b->key);
}

struct job *job_find(struct server *server, const struct job_key *key)
{
    const struct job wanted = {.key = *key};
    struct job *const *found = tfind(&wanted, &server->jobs, compare_jobs);
    return found ? *found : NULL;
}

static void stop_sharing(struct job *job)
{
    if (job->shared)
        tdelete(job, &job->server->jobs, compare_jobs);
    job->shared = false;
}

/* ---- life ---- */

static void end_job(struct job *job)
{
    struct server *server = job->server;
    stop_sharing(job);
    if (job->looking)
        result_store_forget(&server->store, job);
    h2o_timeout_unlink(&job->retry_entry);
    if (job->entry.slot)
        slot_conn_cancel(job->entry.slot);
    scheduler_entry_remove(&server->scheduler, &job->entry);
    job_result_unref(job->result);
    free(job);
}

static void release(struct job *job)
{
    if (--job->busy == 0 && job->exchanges.next == &job->exchanges)
        end_job(job);
}

/* Every run, also when the one it is called for leaves inside. */
static void for_each_exchange(struct job *job, void (*call)(struct exchange *exchange))
{
    job->busy++;
    for (struct list *node = job->exchanges.next, *next; node != &job->exchanges; node = next) {
        next = node->next;
        call(list_entry(node, struct exchange, in_job));
    }
    release(job);
}

static int enqueue(struct job *job, bool front, struct pe_error *err)
{
    if (scheduler_submit(&job->server->scheduler, &job->entry, front, err) < 0)
        return -1;
    return 0;
}

int job_begin(struct exchange *exchange, bool share, struct pe_error *err)
{
    struct server *server = exchange->server;
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return pe_fail_errno(err, "a job");
    *job = (struct job){.server = server, .key = exchange->key, .source = exchange, .busy = 1};
    memcpy(job->id, exchange->id, sizeof job->id);
    memcpy(job->digest, exchange->digest, sizeof job->digest);
    job->keep = exchange->caching != CACHING_NONE;
    job->entry =
        (struct queue_entry){.client = &exchange->client->turns,
                             .image = exchange->submission.spec.image,
                             .bytes = exchange->req->entity.len + exchange->piston.contents.capacity};
    list_init(&job->exchanges);
    list_append(&job->exchanges, &exchange->in_job);
    exchange->job = job;
    if (share && tsearch(job, &server->jobs, compare_jobs))
        job->shared = true;
    job->looking = share && result_store_lookup(&server->store, job);
    int failed = job->looking ? 0 : enqueue(job, false, err);
    if (failed)
        job_leave(exchange);
    release(job);
    return failed;
}

void job_join(struct job *job, struct exchange *exchange)
{
    list_append(&job->exchanges, &exchange->in_job);
    exchange->job = job;
    if (job->result)
        exchange_on_result(exchange, job->result);
}

/* Another run's request is the same byte for byte, as the key says; its client waits on in the queue. */
static void change_source(struct job *job)
{
    struct pe_error ignored;
    struct scheduler *scheduler = &job->server->scheduler;
    bool queued = list_linked(&job->entry.in_queue);
    if (queued)
        scheduler_entry_remove(scheduler, &job->entry);
    job->source = list_entry(job->exchanges.next, struct exchange, in_job);
    job->entry.client = &job->source->client->turns;
    job->entry.image = job->source->submission.spec.image;
    if (queued && enqueue(job, true, &ignored) < 0)
        pe_log_about(PE_LOG_ERROR, job->id, "%s", ignored.message);
}

void job_leave(struct exchange *exchange)
{
    struct job *job = exchange->job;
    if (!job)
        return;
    exchange->job = NULL;
    list_remove(&exchange->in_job);
    job->busy++;
    if (job->source == exchange && job->exchanges.next != &job->exchanges)
        change_source(job);
    release(job);
}

/* ---- before the slot ---- */

static void report_queue_full(struct exchange *exchange)
{
    exchange_on_problem(exchange, NULL);
}

void job_on_lookup(struct job *job, struct job_result *result)
{
    struct pe_error err;
    job->looking = false;
    job->busy++;
    if (result) {
        stop_sharing(job);
        job->result = job_result_ref(result);
        cache_put(&job->server->cache, &job->key, result);
        for_each_exchange(job, exchange_on_stored);
    } else if (enqueue(job, false, &err) < 0) {
        stop_sharing(job);
        for_each_exchange(job, report_queue_full);
    }
    struct server *server = job->server;
    release(job);
    server_dispatch(server);
}

void job_on_start(struct job *job)
{
    job->started_us = pe_now_us();
    for (struct list *node = job->exchanges.next; node != &job->exchanges; node = node->next)
        exchange_on_start(list_entry(node, struct exchange, in_job));
}

/* ---- the result ---- */

static bool is_kept(const struct job *job, const struct pe_result *fields, size_t size)
{
    return job->keep && cache_accepts(&job->server->cache, size) &&
           (fields->status == PE_STATUS_EXITED || fields->status == PE_STATUS_SIGNALED) && job->digest[0] &&
           !strcmp(job->digest, fields->image_digest);
}

int job_on_result(struct job *job, struct pe_message *message, struct pe_error *err)
{
    struct server *server = job->server;
    size_t size = (size_t)pe_parts_size(&message->parts);
    bool kept = is_kept(job, &message->result, size);
    job->result = job_result_new(&server->result_bytes, &message->result, &message->parts, err);
    if (!job->result)
        return -1;
    job->result->stored_at = kept ? (int64_t)time(NULL) : 0;
    job->busy++;
    for (struct list *node = job->exchanges.next, *next; node != &job->exchanges; node = next) {
        next = node->next;
        exchange_on_result(list_entry(node, struct exchange, in_job), job->result);
    }
    release(job);
    return 0;
}

int job_on_bytes(struct job *job, const void *bytes, size_t size, struct pe_error *err)
{
    if (job_result_append(job->result, bytes, size, err) < 0)
        return -1;
    server_bound_results(job->server);
    for_each_exchange(job, exchange_on_progress);
    return 0;
}

/* A moving average: what a slot takes for a job, from `job` to `end`. */
static void note_service_time(struct server *server, uint64_t us)
{
    server->service_us = server->service_us ? (server->service_us * 15 + us) / 16 : us;
}

static void deliver(struct job *job)
{
    job->busy++;
    stop_sharing(job);
    for_each_exchange(job, exchange_on_progress);
    release(job);
}

void job_on_end(struct job *job)
{
    struct pe_error err;
    struct server *server = job->server;
    note_service_time(server, pe_now_us() - job->started_us);
    metrics_result(&server->metrics, &job->result->fields);
    if (job_result_finish(job->result, &err) < 0) {
        job_on_lost(job, 0, err.message);
        return;
    }
    if (job->result->stored_at) {
        cache_put(&server->cache, &job->key, job->result);
        result_store_put(&server->store, &job->key, job->result);
    }
    deliver(job);
}

void job_on_problem(struct job *job, const struct pe_problem *problem)
{
    job->busy++;
    stop_sharing(job);
    for (struct list *node = job->exchanges.next, *next; node != &job->exchanges; node = next) {
        next = node->next;
        exchange_on_problem(list_entry(node, struct exchange, in_job), problem);
    }
    release(job);
}

/* ---- losing slots ---- */

/* Slots that died with the job while their hosts live on: those it may have killed. */
static unsigned count_kills(const struct job *job)
{
    unsigned kills = 0;
    for (unsigned i = 0; i < job->lost; i++)
        kills += scheduler_worker_lives(&job->server->scheduler, job->lost_workers[i]);
    return kills;
}

static void give_up_as_poison(struct job *job)
{
    struct pe_error err;
    struct server *server = job->server;
    const char *reason = "the worker's slot died while it ran this job, twice";
    pe_log_about(PE_LOG_WARN, job->id, "%s: it is held back for %llu s", reason,
                 (unsigned long long)server->poison_us / 1000000);
    server->metrics.poisoned++;
    if (job->digest[0] && exchange_make_key(job->source, &err) == 0 && job->source->has_key)
        poison_remember(&server->poison, &job->source->key, pe_now_us() + server->poison_us);
    job->result = job_result_vm_error(&server->result_bytes, job->entry.image, job->digest, reason, &err);
    if (!job->result) {
        struct pe_problem problem = pe_problem_from_error(&err);
        job_on_problem(job, &problem);
        return;
    }
    job->busy++;
    for (struct list *node = job->exchanges.next, *next; node != &job->exchanges; node = next) {
        next = node->next;
        exchange_on_result(list_entry(node, struct exchange, in_job), job->result);
    }
    deliver(job);
    release(job);
}

/* Only now are the other victims of whatever took the slot known: slots that died with it are not given the
 * job, and a host that died as a whole is not the job's doing. */
static void on_retry(h2o_timeout_entry_t *entry)
{
    struct job *job = H2O_STRUCT_FROM_MEMBER(struct job, retry_entry, entry);
    struct server *server = job->server;
    struct pe_error err;
    job->busy++;
    if (count_kills(job) >= JOB_KILLS_MAX) {
        give_up_as_poison(job);
    } else if (job->lost >= JOB_TRIES_MAX || enqueue(job, true, &err) < 0) {
        struct pe_problem problem = problem_make("job-lost", "%u slots went away with the job", job->lost);
        job_on_problem(job, &problem);
    } else {
        server->metrics.retried++;
    }
    release(job);
    server_dispatch(server);
}

void job_on_lost(struct job *job, uint64_t worker_serial, const char *why)
{
    struct server *server = job->server;
    pe_log_about(PE_LOG_WARN, job->id, "its slot is lost: %s", why);
    server->metrics.lost++;
    if (job->lost < JOB_TRIES_MAX)
        job->lost_workers[job->lost++] = worker_serial;
    job->busy++;
    for_each_exchange(job, exchange_on_lost); /* those that have begun to answer are broken off */
    job_result_unref(job->result);
    job->result = NULL;
    if (job->exchanges.next != &job->exchanges) {
        job->retry_entry.cb = on_retry;
        h2o_timeout_link(server->ctx.loop, &server->retry, &job->retry_entry);
    }
    release(job);
}

/* ---- waiting ---- */

uint64_t job_wait_us(const struct server *server, size_t before)
{
    size_t capacity = scheduler_capacity(&server->scheduler);
    uint64_t service_us = server->service_us ? server->service_us : 1000000;
    return (before + 1) * service_us / (capacity ? capacity : 1);
}

uint64_t job_expected_wait_us(const struct server *server, const struct client_queue *client)
{
    return job_wait_us(server, scheduler_jobs_ahead(&server->scheduler, client));
}
