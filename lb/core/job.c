/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a job. A function that calls waiters holds a reference to the job meanwhile: a waiter
 * may leave inside the call, and the job must not be freed before the function is done with it.
 * What waiters and slots do with their calls is not known here. */
#include "lb/core/job.h"

#include "base/io.h"
#include "base/log.h"
#include "lb/core/job_reports.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The time between the loss of a slot and the next try. After it, the balancer knows whether the
 * worker of the slot died too, and slots that are lost for the same reason do not get the job. */
enum { RETRY_MS = 100 };

/* How often a job may be given back in one try. Without a bound, a worker that does nothing else could keep
 * a job for ever. */
enum { JOB_RETURNS_MAX = 64 };

/* ---- jobs that can be joined ---- */

static int compare_jobs(const void *left, const void *right)
{
    const struct job *a = left, *b = right;
    int order = job_key_compare(&a->key, &b->key);
    unsigned x = a->entry.isolation.bits, y = b->entry.isolation.bits;
    bool a_trusts = a->entry.isolation.trusted_host, b_trusts = b->entry.isolation.trusted_host;
    return order ? order : x != y ? (x > y) - (x < y) : a_trusts - b_trusts;
}

struct job *job_find(struct jobs *jobs, const struct job_key *key, struct pe_isolation_set demand)
{
    const struct job wanted = {.key = *key, .entry.isolation = demand};
    struct job *const *found = tfind(&wanted, &jobs->shared, compare_jobs);
    return found ? *found : NULL;
}

static void stop_sharing(struct job *job)
{
    if (job->shared)
        tdelete(job, &job->jobs->shared, compare_jobs);
    job->shared = false;
}

/* ---- life ---- */

static bool has_waiters(const struct job *job)
{
    return job->waiters.next != &job->waiters;
}

static void free_job(struct job *job)
{
    struct jobs *jobs = job->jobs;
    LIST_REMOVE(job, in_all);
    stop_sharing(job);
    if (job->looking)
        result_store_forget(jobs->store, job);
    jobs->loop->ops->stop_timer(jobs->loop, &job->retry_timer);
    jobs->loop->ops->stop_timer(jobs->loop, &job->news_timer);
    if (job->entry.slot)
        job->entry.slot->ops->cancel(job->entry.slot);
    scheduler_entry_remove(jobs->scheduler, &job->entry);
    job_result_unref(job->result);
    live_output_unref(job->live);
    job_id_release(&jobs->ids, job->id);
    free(job);
}

static void hold(struct job *job)
{
    job->holds++;
}

static void release(struct job *job)
{
    if (--job->holds == 0 && !has_waiters(job))
        free_job(job);
}

/* ---- telling the waiters ---- */

/* Of what has arrived, the waiters are told at the end of the iteration of the loop. A worker may send it in
 * very many small pieces: without this, each of them would cost a call for each waiter. */
static void tell_soon(struct job *job, unsigned news)
{
    if (!job->news)
        job->jobs->loop->ops->start_timer(job->jobs->loop, &job->news_timer, 0);
    job->news |= news;
}

static void tell_news(struct job *job)
{
    const unsigned news = job->news;
    job->jobs->loop->ops->stop_timer(job->jobs->loop, &job->news_timer);
    job->news = 0;
    if (news & JOB_NEWS_OUTPUT)
        job_report_each(job, job_report_output, NULL);
    if (news & JOB_NEWS_BYTES)
        job_report_each(job, job_report_progress, NULL);
}

static void on_news(struct loop_timer *timer)
{
    struct job *job = pe_list_entry(timer, struct job, news_timer);
    hold(job);
    tell_news(job);
    release(job);
}

/* Report something to each waiter, after what has arrived before. Any waiter may leave inside any of the
 * calls. */
static void for_each_waiter(struct job *job, job_report *report, const void *argument)
{
    hold(job);
    tell_news(job);
    job_report_each(job, report, argument);
    release(job);
}

/* A waiter that has joined a job is counted beside it, unless the job continues with its submission. */
static void stop_counting(const struct job *job, struct job_waiter *waiter)
{
    if (waiter->joined)
        scheduler_joined_remove(job->jobs->scheduler, waiter->bytes);
    waiter->joined = false;
}

static void remove_waiter(struct job *job, struct job_waiter *waiter)
{
    job_report_skip(job, waiter);
    pe_list_remove(&waiter->in_job);
    waiter->job = NULL;
    stop_counting(job, waiter);
}

/* ---- beginning, joining, leaving ---- */

/* If the queue looks full, match first: jobs whose slot is ready do not count. */
static int enqueue(struct job *job, bool front, struct pe_error *err)
{
    struct jobs *jobs = job->jobs;
    if (!front && jobs->dispatch->pending && !scheduler_has_room(jobs->scheduler, &job->entry))
        dispatch_now(jobs->dispatch);
    if (scheduler_submit(jobs->scheduler, &job->entry, front, err) < 0)
        return -1;
    dispatch_soon(jobs->dispatch);
    return 0;
}

/* The key of a job was made with the catalog entry of some worker. If the worker that runs it has
 * another entry under that name, as one with another environment, the result does not belong to the
 * key: it is sent to those who wait, but not kept. */
static void check_identity(struct job *job, const struct worker *worker)
{
    const struct catalog_entry *image =
        worker ? catalog_find(&worker->claim->catalog, job->entry.image) : NULL;
    if (!job->identity[0] || (image && !strcmp(image->identity, job->identity)))
        return;
    stop_sharing(job);
    job->keep = false;
}

/* Who runs the job, also if that worker registers again meanwhile, or goes. */
static void note_host(struct job *job, const struct worker *worker)
{
    snprintf(job->host, sizeof job->host, "%s", worker ? worker->name : "");
    snprintf(job->owner, sizeof job->owner, "%s", worker ? worker->claim->owner_id : "");
}

static void on_match(struct queue_entry *entry)
{
    struct job *job = pe_list_entry(entry, struct job, entry);
    job->started_us = pe_now_us();
    note_host(job, entry->slot->worker);
    check_identity(job, entry->slot->worker);
    for_each_waiter(job, job_report_start, NULL);
    entry->slot->ops->start(entry->slot, job);
}

/* The result store's answer. */
static void on_lookup(void *data, struct job_result *result)
{
    struct pe_error err;
    struct job *job = data;
    job->looking = false;
    hold(job);
    if (result &&
        pe_demand_accepts(job->entry.isolation, result->fields.isolation, result->fields.trusted_host)) {
        stop_sharing(job);
        job->result = job_result_ref(result);
        if (job->keep)
            cache_put(job->jobs->cache, &job->key, result);
        for_each_waiter(job, job_report_stored_result, NULL);
    } else if (enqueue(job, false, &err) < 0) {
        stop_sharing(job);
        for_each_waiter(job, job_report_queue_full, NULL);
    }
    release(job);
}

static void add_waiter(struct job *job, struct job_waiter *waiter)
{
    pe_list_append(&job->waiters, &waiter->in_job);
    waiter->job = job;
    job->watched |= waiter->watches;
}

static void on_retry(struct loop_timer *timer);

static struct job *make_job(struct jobs *jobs, const struct job_request *request)
{
    struct job_waiter *waiter = request->waiter;
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->jobs = jobs;
    LIST_INSERT_HEAD(&jobs->all, job, in_all);
    job->key = *request->key;
    job->keep = request->keep;
    job_id_choose(&jobs->ids, request->id, job->id);
    snprintf(job->digest, sizeof job->digest, "%s", request->image_digest);
    snprintf(job->identity, sizeof job->identity, "%s",
             request->image_identity ? request->image_identity : "");
    job->source = waiter;
    job->retry_timer.on_expire = on_retry;
    job->news_timer.on_expire = on_news;
    job->entry = (struct queue_entry){.client = waiter->client,
                                      .image = waiter->submission->spec.image,
                                      .isolation = waiter->submission->spec.isolation,
                                      .needs_live = waiter->input != NULL,
                                      .bytes = waiter->bytes,
                                      .on_match = on_match};
    pe_list_init(&job->waiters);
    add_waiter(job, waiter);
    return job;
}

int job_begin(struct jobs *jobs, const struct job_request *request, struct pe_error *err)
{
    struct job *job = make_job(jobs, request);
    if (!job)
        return pe_fail_errno(err, "cannot make a job");
    hold(job);
    if (request->share && tsearch(job, &jobs->shared, compare_jobs))
        job->shared = true;
    job->looking = request->share && result_store_lookup(jobs->store, &job->key, on_lookup, job);
    int failed = job->looking ? 0 : enqueue(job, false, err);
    if (failed)
        job_leave(request->waiter);
    release(job);
    return failed;
}

bool job_begin_aside(struct jobs *jobs, const struct job_request *request, const struct idle_choice *choice)
{
    struct job *job = make_job(jobs, request);
    if (!job)
        return false;
    bool starts = scheduler_take_idle(jobs->scheduler, &job->entry, choice);
    if (starts)
        on_match(&job->entry);
    else
        job_leave(request->waiter);
    return starts;
}

int job_join(struct job *job, struct job_waiter *waiter, struct pe_error *err)
{
    if (scheduler_joined_add(job->jobs->scheduler, waiter->bytes, err) < 0)
        return -1;
    waiter->joined = true;
    add_waiter(job, waiter);
    if (job->entry.slot)
        waiter->ops->on_start(waiter);
    if (job->entry.slot && job->watched)
        job->entry.slot->ops->serve(job->entry.slot);
    if (job->live)
        job_report_output(waiter, NULL);
    if (job->result)
        waiter->ops->on_result(waiter, job->result, false);
    return 0;
}

/* Continue with the submission of another waiter: the keys are equal, so it is the same byte for
 * byte. A queued job moves to that waiter's client. */
static void change_source(struct job *job)
{
    struct pe_error err;
    bool queued = pe_list_linked(&job->entry.in_queue);
    if (queued)
        scheduler_entry_remove(job->jobs->scheduler, &job->entry);
    job->source = pe_list_entry(job->waiters.next, struct job_waiter, in_job);
    stop_counting(job, job->source);
    job->entry.bytes = job->source->bytes;
    job->entry.client = job->source->client;
    job->entry.image = job->source->submission->spec.image;
    if (queued && enqueue(job, true, &err) < 0)
        pe_log_about(PE_LOG_ERROR, job->id, "%s", err.message);
}

void job_leave(struct job_waiter *waiter)
{
    struct job *job = waiter->job;
    if (!job)
        return;
    hold(job);
    remove_waiter(job, waiter);
    if (job->source == waiter && has_waiters(job))
        change_source(job);
    release(job);
}

bool job_forget_result(struct jobs *jobs, const struct job_key *key)
{
    if (jobs->observer)
        jobs->observer->on_forgotten(jobs->observer, key);
    return job_delete_result(jobs, key);
}

bool job_delete_result(struct jobs *jobs, const struct job_key *key)
{
    for (struct job *job = LIST_FIRST(&jobs->all); job; job = LIST_NEXT(job, in_all))
        if (!job_key_compare(&job->key, key)) {
            job->keep = false;
            if (job->looking) /* what it finds may be what is deleted now */
                stop_sharing(job);
        }
    cache_remove(jobs->cache, key);
    return result_store_remove(jobs->store, key);
}

/* ---- while it runs ---- */

static size_t limit_of(const struct job *job, enum live_stream stream)
{
    const struct pe_job_spec *spec = &job->source->submission->spec;
    return stream == LIVE_STDOUT ? pe_job_spec_stdout_max(spec) : pe_job_spec_stderr_max(spec);
}

/* What is not kept is not lost: the result has it as well. */
int job_on_output(struct job *job, enum live_stream stream, const void *bytes, size_t size,
                  struct pe_error *err)
{
    if (!job->live && !(job->live = live_output_new(job->jobs->budget, err)))
        return -1;
    if (size > limit_of(job, stream) - job->live->received[stream])
        return pe_fail(err, PE_ERR_MALFORMED, "a running job has more output than its limit allows");
    live_output_append(job->live, stream, bytes, size);
    tell_soon(job, JOB_NEWS_OUTPUT);
    return 0;
}

int job_on_taken(struct job *job, size_t bytes, struct pe_error *err)
{
    struct job_waiter *waiter = job->source;
    if (!waiter->input)
        return pe_fail(err, PE_ERR_MALFORMED, "'taken' for a job without input");
    if (job_input_taken(waiter->input, bytes, err) < 0)
        return -1;
    hold(job);
    waiter->ops->on_taken(waiter, bytes);
    release(job);
    return 0;
}

/* ---- the result ---- */

static bool is_kept(const struct job *job, const struct pe_result *fields, size_t size)
{
    return job->keep && cache_accepts(job->jobs->cache, size) &&
           (fields->status == PE_STATUS_EXITED || fields->status == PE_STATUS_SIGNALED) && job->digest[0] &&
           !strcmp(job->digest, fields->image_digest);
}

int job_on_result(struct job *job, struct pe_message *message, struct pe_error *err)
{
    size_t size = (size_t)pe_parts_size(&message->parts);
    if (!pe_isolation_accepted(job->entry.isolation, message->result.isolation))
        return pe_fail(err, PE_ERR_MALFORMED,
                       "a result was made with another isolation than its job demands");
    message->result.trusted_host = job->entry.slot && scheduler_slot_is_trusted(job->entry.slot);
    if (job->entry.isolation.trusted_host && !message->result.trusted_host)
        return pe_fail(err, PE_ERR_MALFORMED, "the host of the slot is not trusted any more");
    bool kept = is_kept(job, &message->result, size);
    job->result = job_result_new(&job->jobs->budget->used, &message->result, &message->parts, err);
    if (!job->result)
        return -1;
    job->result->stored_at = kept ? (int64_t)time(NULL) : 0;
    for_each_waiter(job, job_report_result, NULL);
    return 0;
}

int job_on_bytes(struct job *job, const void *bytes, size_t size, struct pe_error *err)
{
    if (job_result_append(job->result, bytes, size, err) < 0)
        return -1;
    byte_budget_enforce(job->jobs->budget);
    tell_soon(job, JOB_NEWS_BYTES);
    return 0;
}

/* Report a complete result. The job is freed when its waiters have left. */
static void deliver(struct job *job)
{
    stop_sharing(job);
    for_each_waiter(job, job_report_progress, NULL);
}

void job_on_end(struct job *job)
{
    struct pe_error err;
    struct jobs *jobs = job->jobs;
    job_note_service_time(jobs, pe_now_us() - job->started_us);
    metrics_result(jobs->metrics, &job->result->fields);
    if (job_result_finish(job->result, &err) < 0) {
        job_on_lost(job, 0, err.message);
        return;
    }
    if (job->result->stored_at && job->keep) {
        cache_put(jobs->cache, &job->key, job->result);
        result_store_put(jobs->store, &job->key, job->result);
    }
    if (jobs->observer)
        jobs->observer->on_complete(jobs->observer, job);
    deliver(job);
}

void job_on_problem(struct job *job, const struct pe_problem *problem)
{
    stop_sharing(job);
    for_each_waiter(job, job_report_problem, problem);
}

/* ---- losing slots ---- */

/* How many of its tries the job lost alone: its slot or its VM died, and the worker lived on. */
static unsigned count_deaths(const struct job *job)
{
    unsigned deaths = 0;
    for (unsigned i = 0; i < job->lost; i++)
        deaths += job->losses[i].of_vm || scheduler_worker_lives(job->jobs->scheduler, job->losses[i].worker);
    return deaths;
}

/* Whether the job is held back: every try ended with the death of a slot whose worker lives on, and not
 * all of them on one worker, unless there is only one. A single bad worker is no evidence. */
static bool is_poison(const struct job *job)
{
    bool several = false;
    for (unsigned i = 0; i < job->lost; i++) {
        const struct job_loss *loss = &job->losses[i];
        if (loss->of_vm || !scheduler_worker_lives(job->jobs->scheduler, loss->worker))
            return false;
        several |= loss->worker != job->losses[0].worker;
    }
    return several || !scheduler_has_other_worker(job->jobs->scheduler, &job->entry);
}

/* Hold the job back for a while. Its key may not have been computed before: hashing all files is
 * not worth it for a job whose result is not kept. */
static void remember_poison(struct job *job)
{
    struct pe_error err;
    struct jobs *jobs = job->jobs;
    struct job_key key;
    const struct catalog_entry *image =
        scheduler_find_image(jobs->scheduler, job->entry.image, job->entry.isolation);
    if (job->digest[0] && image && job_key_make(job->source->submission, image->identity, &key, &err) == 0)
        poison_remember(jobs->poison, &key, pe_now_us() + jobs->poison_us);
}

static void hold_back(struct job *job)
{
    struct jobs *jobs = job->jobs;
    pe_log_about(PE_LOG_WARN, job->id, "the job killed %u slots; it is held back for %llu s", job->lost,
                 (unsigned long long)jobs->poison_us / 1000000);
    jobs->metrics->poisoned++;
    remember_poison(job);
}

/* Answer with vm_error. */
static void give_up_as_vm_error(struct job *job)
{
    struct pe_error err;
    char reason[sizeof job->last_loss + 128];
    snprintf(reason, sizeof reason,
             "%u slots or VMs of workers died while they ran this job; the last one: %s", job->lost,
             job->last_loss);
    job->result = job_result_vm_error(&job->jobs->budget->used, job->entry.image, job->digest, reason, &err);
    if (!job->result) {
        struct pe_problem problem = pe_problem_from_error(&err);
        job_on_problem(job, &problem);
        return;
    }
    hold(job);
    for_each_waiter(job, job_report_result, NULL);
    deliver(job);
    release(job);
}

static void give_up(struct job *job)
{
    stop_sharing(job);
    for_each_waiter(job, job_report_given_up, NULL);
}

/* All tries are lost. */
static void conclude(struct job *job)
{
    if (count_deaths(job) < job->lost) {
        give_up(job);
        return;
    }
    if (is_poison(job))
        hold_back(job);
    give_up_as_vm_error(job);
}

static void on_retry(struct loop_timer *timer)
{
    struct job *job = pe_list_entry(timer, struct job, retry_timer);
    struct pe_error err;
    if (job->lost >= JOB_TRIES_MAX)
        conclude(job);
    else if (enqueue(job, true, &err) < 0)
        give_up(job);
    else
        job->jobs->metrics->retried++;
}

static void note_loss(struct job *job, struct job_loss loss, const char *why)
{
    struct queue_entry *entry = &job->entry;
    job->jobs->metrics->lost++;
    if (job->lost == JOB_TRIES_MAX)
        return;
    job->losses[job->lost++] = loss;
    entry->avoided[entry->avoided_count++] = loss.worker;
    snprintf(job->last_loss, sizeof job->last_loss, "%s", why);
}

static void lose_try(struct job *job, struct job_loss loss, const char *why)
{
    note_loss(job, loss, why);
    hold(job);
    for_each_waiter(job, job_report_lost, NULL);
    job_result_unref(job->result);
    live_output_unref(job->live);
    job->result = NULL;
    job->live = NULL;
    if (has_waiters(job) && job->source->input) /* what was typed is lost with the program */
        give_up(job);
    else if (has_waiters(job))
        job->jobs->loop->ops->start_timer(job->jobs->loop, &job->retry_timer, RETRY_MS);
    release(job);
}

void job_on_lost(struct job *job, uint64_t worker_serial, const char *why)
{
    pe_log_about(PE_LOG_WARN, job->id, "the job lost its slot: %s", why);
    lose_try(job, (struct job_loss){.worker = worker_serial}, why);
}

void job_on_vm_lost(struct job *job, uint64_t worker_serial, const char *why)
{
    pe_log_about(PE_LOG_WARN, job->id, "the job lost its VM: %s", why);
    lose_try(job, (struct job_loss){.worker = worker_serial, .of_vm = true}, why);
}

/* ---- given back ---- */

/* A job that was given back is not tried once more, since this try has not begun. It goes to the front of
 * the queue, where there is always room. */
void job_on_returned(struct job *job, uint64_t worker_serial)
{
    struct pe_error err;
    job->jobs->metrics->returned++;
    if (++job->returns % JOB_RETURNS_MAX == 0) {
        job_on_vm_lost(job, worker_serial, "workers have given the job back again and again");
        return;
    }
    hold(job);
    if (has_waiters(job) && job->source->input)
        job_input_rewind(job->source->input);
    for_each_waiter(job, job_report_returned, NULL);
    if (has_waiters(job) && enqueue(job, true, &err) < 0)
        give_up(job);
    release(job);
}
