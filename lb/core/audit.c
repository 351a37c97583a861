/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of jobs, and on which slots they run when. What their results mean is decided in audit_verdict.c. */
#include "lb/core/audit.h"

#include "base/io.h"
#include "base/log.h"
#include "base/random_text.h"
#include "lb/core/submission_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY_BYTES_MAX ((size_t)16 << 20)   /* a larger job is not audited */
#define COPIES_BYTES_MAX ((size_t)64 << 20) /* all copies together */
#define WAIT_US (600ull * 1000 * 1000)      /* how long an audit may take, most of which it waits */

enum {
    LOSSES_MAX = 8, /* runs of one copy that were given up or lost */
    ROUND_MS = 20,  /* between two looks at the audits that wait */
    LATER_MS = 1000 /* the same, if they wait only for the time to ask a host again */
};

const char *const audit_outcome_names[AUDIT_OUTCOMES] = {
    [AUDIT_IS_SAME] = "same",
    [AUDIT_IS_UNSTABLE] = "unstable",
    [AUDIT_IS_SUSPICIOUS] = "suspicious",
    [AUDIT_IS_UNDECIDED] = "undecided",
    [AUDIT_IS_ABANDONED] = "abandoned",
};

/* A job whose audit is under way. */
struct copy {
    struct job_waiter waiter; /* of its own job, while it is on a slot */
    struct pe_list in_copies;
    struct audit *audit;
    struct submission submission; /* owned */
    char id[JOB_ID_SIZE];         /* of the job that the client sent */
    struct job_key key;
    char digest[80], identity[65]; /* of the image */
    uint64_t client;
    size_t bytes;
    uint64_t since_us, ran_us; /* when it was taken; when its last run has ended */
    struct audit_run runs[AUDIT_RUNS_MAX];
    size_t count;
    enum pe_isolation isolation; /* of the first run */
    unsigned losses;
    bool is_over; /* its next step ends it */
};

static struct copy *from_waiter(struct job_waiter *waiter)
{
    return pe_list_entry(waiter, struct copy, waiter);
}

/* ---- life ---- */

static void free_copy(struct copy *copy)
{
    copy->audit->bytes -= copy->bytes;
    copy->audit->count--;
    pe_list_remove(&copy->in_copies);
    submission_free(&copy->submission);
    free(copy);
}

/* Leave the slot, if the copy is on one. */
static void leave(struct copy *copy)
{
    if (copy->waiter.job)
        copy->audit->running--;
    job_leave(&copy->waiter);
}

static void conclude(struct copy *copy, enum audit_outcome outcome)
{
    copy->audit->outcomes[outcome]++;
    leave(copy);
    free_copy(copy);
}

/* ---- suspects ---- */

static struct audit_suspect *find_suspect(const struct audit *audit, const char *host)
{
    for (size_t i = 0; i < audit->suspect_count; i++)
        if (!strcmp(audit->suspects[i].host, host))
            return (struct audit_suspect *)&audit->suspects[i];
    return NULL;
}

/* The place of a new suspect. If there is none, the one is forgotten that behaved well for longest. */
static struct audit_suspect *make_room(struct audit *audit)
{
    if (audit->suspect_count < AUDIT_SUSPECTS_MAX)
        return &audit->suspects[audit->suspect_count++];
    struct audit_suspect *oldest = &audit->suspects[0];
    for (size_t i = 1; i < AUDIT_SUSPECTS_MAX; i++)
        if (audit->suspects[i].last_us < oldest->last_us)
            oldest = &audit->suspects[i];
    return oldest;
}

static struct audit_suspect *note_difference(struct audit *audit, const char *host, uint64_t client)
{
    struct audit_suspect *suspect = find_suspect(audit, host);
    if (!suspect) {
        suspect = make_room(audit);
        *suspect = (struct audit_suspect){.differences = 0};
        snprintf(suspect->host, sizeof suspect->host, "%s", host);
    }
    suspect->differences++;
    suspect->last_us = pe_now_us();
    for (unsigned i = 0; i < suspect->client_count; i++)
        if (suspect->clients[i] == client)
            return suspect;
    if (suspect->client_count < AUDIT_CLIENTS_MAX)
        suspect->clients[suspect->client_count++] = client;
    return suspect;
}

static bool has_other_in_service(const struct scheduler *scheduler, const char *host)
{
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        if (strcmp(worker->name, host) != 0 && !worker->drained && !worker->claim->draining)
            return true;
    }
    return false;
}

/* One client may send programs that honest hosts answer differently, as those that print the name of the
 * processor. Therefore it takes several clients, and the last host stays. */
static void drain_perhaps(struct audit *audit, const struct audit_suspect *suspect)
{
    struct pe_error err;
    struct scheduler *scheduler = audit->jobs->scheduler;
    const struct worker *worker = scheduler_find_worker(scheduler, suspect->host);
    if (!audit->settings.drain_after || suspect->client_count < audit->settings.drain_after || !worker ||
        worker->drained || !has_other_in_service(scheduler, suspect->host))
        return;
    if (scheduler_drain(scheduler, suspect->host, true, &err) < 0)
        pe_log(PE_LOG_WARN, "audit: worker '%s' cannot be drained: %s", suspect->host, err.message);
    else
        pe_log(PE_LOG_WARN, "audit: worker '%s' was drained, because its results differed for %u clients",
               suspect->host, suspect->client_count);
}

uint64_t audit_differences(const struct audit *audit, const char *host)
{
    const struct audit_suspect *suspect = find_suspect(audit, host);
    return suspect ? suspect->differences : 0;
}

void audit_clear(struct audit *audit, const char *host)
{
    struct audit_suspect *suspect = find_suspect(audit, host);
    if (suspect)
        *suspect = audit->suspects[--audit->suspect_count];
}

/* ---- outcomes ---- */

static void report_suspect(struct copy *copy, const struct audit_run *run, const struct audit_run *reference)
{
    struct audit *audit = copy->audit;
    pe_log_about(
        PE_LOG_WARN, copy->id,
        "audit: the result of worker '%s' differs in its %s from that of worker '%s', which %s and has "
        "given the same answer twice",
        run->host, audit_difference(&run->digest, &reference->digest), reference->host,
        reference->trusted ? "is trusted" : "agrees with another one");
    drain_perhaps(audit, note_difference(audit, run->host, copy->client));
}

/* A host is reported once for a job, though it may have run it twice. */
static void report_suspects(struct copy *copy, const struct audit_verdict *verdict)
{
    const struct audit_run *reference = &copy->runs[verdict->reference];
    for (size_t i = 0; i < copy->count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < i; k++)
            is_known |= !strcmp(copy->runs[k].host, copy->runs[i].host);
        if ((verdict->suspects & 1u << i) && !is_known)
            report_suspect(copy, &copy->runs[i], reference);
    }
}

/* The client has the wrong result already, but nobody else needs to get it. */
static void delete_result(const struct copy *copy)
{
    struct audit *audit = copy->audit;
    if (audit->on_wrong_result)
        audit->on_wrong_result(&copy->submission);
    if (!job_delete_result(audit->jobs, &copy->key))
        pe_log_about(PE_LOG_WARN, copy->id, "audit: the store cannot be told that this result is wrong");
}

static void conclude_with(struct copy *copy, const struct audit_verdict *verdict)
{
    if (verdict->step == AUDIT_SUSPICIOUS) {
        report_suspects(copy, verdict);
        if (verdict->suspects & 1u)
            delete_result(copy);
        conclude(copy, AUDIT_IS_SUSPICIOUS);
    } else if (verdict->step == AUDIT_SAME) {
        conclude(copy, AUDIT_IS_SAME);
    } else if (verdict->step == AUDIT_UNSTABLE) {
        conclude(copy, AUDIT_IS_UNSTABLE);
    } else {
        pe_log_about(
            PE_LOG_WARN, copy->id,
            "audit: the workers '%s' and '%s' answer this job differently, each in the same way twice; "
            "a third host, or a trusted one, would tell which of them is wrong",
            copy->runs[0].host, copy->runs[1].host);
        conclude(copy, AUDIT_IS_UNDECIDED);
    }
}

/* ---- which slots fit ---- */

/* What is looked for. */
struct wish {
    const struct copy *copy;
    const char *again; /* only this host; NULL: one that has not run the job */
};

static bool has_run_on(const struct copy *copy, const char *host)
{
    for (size_t i = 0; i < copy->count; i++)
        if (!strcmp(copy->runs[i].host, host))
            return true;
    return false;
}

static bool is_other_owner(const struct copy *copy, const struct worker *worker)
{
    for (size_t i = 0; i < copy->count; i++)
        if (!strcmp(copy->runs[i].owner, worker->claim->owner_id))
            return false;
    return true;
}

/* Whether a worker may be asked: it has the image in the same form, and is no suspect itself. */
static bool may_ask(const struct wish *wish, const struct worker *worker)
{
    const struct copy *copy = wish->copy;
    const struct catalog_entry *image = catalog_find(&worker->claim->catalog, copy->submission.spec.image);
    if (!image || strcmp(image->identity, copy->identity) != 0)
        return false;
    if (wish->again)
        return !strcmp(worker->name, wish->again);
    return !has_run_on(copy, worker->name) && !find_suspect(copy->audit, worker->name);
}

/* Trusted hosts are the best to ask, then those of other owners, then those with the same isolation, because
 * programs see another kernel elsewhere. */
static unsigned rank(const struct worker *worker, void *data)
{
    const struct wish *wish = data;
    if (!may_ask(wish, worker))
        return 0;
    return 1 + 4 * worker->claim->trusted + 2 * is_other_owner(wish->copy, worker) +
           (worker->claim->isolation == wish->copy->isolation);
}

static bool has_another_host(const struct copy *copy)
{
    const struct scheduler *scheduler = copy->audit->jobs->scheduler;
    const struct wish wish = {.copy = copy};
    const struct queue_entry entry = {.image = copy->submission.spec.image,
                                      .isolation = copy->submission.spec.isolation};
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        if (may_ask(&wish, worker) && scheduler_worker_can_run(worker, &entry))
            return true;
    }
    return false;
}

/* ---- a copy runs ---- */

static struct audit_run *add_run(struct copy *copy, const char *host, const char *owner, bool trusted)
{
    struct audit_run *run = &copy->runs[copy->count++];
    *run = (struct audit_run){.trusted = trusted};
    snprintf(run->host, sizeof run->host, "%s", host);
    snprintf(run->owner, sizeof run->owner, "%s", owner);
    return run;
}

/* A run is given up or lost. Very often is an outcome. */
static void lose_run(struct copy *copy)
{
    copy->count--;
    leave(copy);
    copy->is_over = ++copy->losses >= LOSSES_MAX;
    dispatch_soon(copy->audit->jobs->dispatch);
}

static void on_start(struct job_waiter *waiter)
{
    const struct job *job = waiter->job;
    add_run(from_waiter(waiter), job->host, job->owner, scheduler_slot_is_trusted(job->entry.slot));
    from_waiter(waiter)->audit->running++;
}

static void on_result(struct job_waiter *waiter, struct job_result *result, bool stored)
{
    (void)waiter;
    (void)result;
    (void)stored;
}

static bool is_comparable(const struct job_result *result)
{
    return result->fields.status == PE_STATUS_EXITED || result->fields.status == PE_STATUS_SIGNALED;
}

/* What depends on the speed of a host, as running out of time, is no answer. */
static void on_progress(struct job_waiter *waiter)
{
    struct pe_error err;
    struct copy *copy = from_waiter(waiter);
    const struct job_result *result = waiter->job->result;
    if (!result->complete)
        return;
    if (!is_comparable(result) || strcmp(result->fields.image_digest, copy->digest) != 0 ||
        audit_digest_make(result, &copy->runs[copy->count - 1].digest, &err) < 0) {
        lose_run(copy);
        return;
    }
    copy->ran_us = pe_now_us();
    leave(copy);
    dispatch_soon(copy->audit->jobs->dispatch);
}

static void on_lost(struct job_waiter *waiter)
{
    lose_run(from_waiter(waiter));
}

static void on_problem(struct job_waiter *waiter, const struct pe_problem *problem)
{
    (void)problem;
    lose_run(from_waiter(waiter));
}

static void on_given_up(struct job_waiter *waiter, unsigned tries)
{
    (void)tries;
    lose_run(from_waiter(waiter));
}

static const struct job_waiter_ops waiter_ops = {
    .on_start = on_start,
    .on_result = on_result,
    .on_progress = on_progress,
    .on_lost = on_lost,
    .on_returned = on_lost,
    .on_problem = on_problem,
    .on_queue_full = on_lost,
    .on_given_up = on_given_up,
};

/* ---- what happens when jobs have been matched with slots ---- */

/* Whether a copy is in the way of a job: one waits, or has come to the worker beside it. */
static bool must_yield(const struct copy *copy)
{
    const struct slot *slot = copy->waiter.job->entry.slot;
    const struct worker *worker = slot ? slot->worker : NULL;
    return copy->audit->jobs->scheduler->queued_count > 0 ||
           (worker && worker->running + worker->elsewhere > worker->claim->vms);
}

static void start(struct copy *copy, const char *again)
{
    struct wish wish = {.copy = copy, .again = again};
    char id[JOB_ID_SIZE];
    pe_pooled_random_hex(id, (sizeof id - 1) / 2);
    copy->waiter.arrived_us = pe_now_us();
    const struct job_request request = {.waiter = &copy->waiter,
                                        .id = id,
                                        .key = &copy->key,
                                        .image_digest = copy->digest,
                                        .image_identity = copy->identity};
    const struct idle_choice choice = {.rank = rank, .data = &wish, .idle_left = 1};
    job_begin_aside(copy->audit->jobs, &request, &choice);
}

static void on_time(struct loop_timer *timer)
{
    struct audit *audit = pe_list_entry(timer, struct audit, timer);
    audit->wake_ms = 0;
    dispatch_soon(audit->jobs->dispatch);
}

/* Come back in this time, ROUND_MS or LATER_MS, or before: a loop has few different times. */
static void wake_in(struct audit *audit, unsigned ms)
{
    struct loop *loop = audit->jobs->loop;
    if (audit->wake_ms && audit->wake_ms <= ms)
        return;
    if (audit->wake_ms)
        loop->ops->stop_timer(loop, &audit->timer);
    audit->wake_ms = ms;
    loop->ops->start_timer(loop, &audit->timer, ms);
}

/* A program whose answer depends on the time must have a chance to answer differently. Returns whether a host
 * may be asked again now. */
static bool may_ask_again(struct copy *copy)
{
    uint64_t at_us = copy->ran_us + copy->audit->settings.again_ms * 1000ull;
    if (pe_now_us() >= at_us)
        return true;
    wake_in(copy->audit, LATER_MS);
    return false;
}

/* Let one audit take its next step. It may be over then. */
static void go_on(struct copy *copy)
{
    struct audit *audit = copy->audit;
    if (copy->waiter.job)
        return;
    if (copy->is_over || pe_now_us() - copy->since_us > WAIT_US) {
        conclude(copy, AUDIT_IS_ABANDONED);
        return;
    }
    struct audit_verdict verdict = audit_judge(copy->runs, copy->count, has_another_host(copy));
    bool asks = verdict.step == AUDIT_ASK_ANOTHER || verdict.step == AUDIT_ASK_AGAIN;
    if (asks && copy->count == AUDIT_RUNS_MAX)
        conclude(copy, AUDIT_IS_ABANDONED);
    else if (!asks)
        conclude_with(copy, &verdict);
    else if (verdict.step == AUDIT_ASK_AGAIN && !may_ask_again(copy))
        return;
    else if (audit->running < AUDITS_RUNNING_MAX && audit->jobs->scheduler->queued_count == 0)
        start(copy, verdict.step == AUDIT_ASK_AGAIN ? copy->runs[verdict.again].host : NULL);
}

static void yield(const struct audit *audit)
{
    pe_list_for_each(node, &audit->copies)
    {
        struct copy *copy = pe_list_entry(node, struct copy, in_copies);
        if (copy->waiter.job && must_yield(copy))
            lose_run(copy);
    }
}

/* A copy may be freed in its own step only: conclude() of one does not touch another. A step looks at all
 * workers, so those that wait take none in each iteration of a busy loop. */
static void on_matched(void *data)
{
    struct audit *audit = data;
    uint64_t now = pe_now_us();
    if (!audit->count)
        return;
    yield(audit);
    if (now < audit->round_us) {
        wake_in(audit, ROUND_MS);
        return;
    }
    audit->round_us = now + ROUND_MS * 1000;
    for (struct pe_list *node = audit->copies.next, *next; node != &audit->copies; node = next) {
        next = node->next;
        go_on(pe_list_entry(node, struct copy, in_copies));
    }
}

/* ---- taking copies ---- */

/* Whether this job is one of the sample. */
static bool is_drawn(const struct audit *audit)
{
    char text[9];
    if (audit->settings.share >= 1)
        return true;
    pe_pooled_random_hex(text, 4);
    return (double)strtoul(text, NULL, 16) < audit->settings.share * 4294967296.0;
}

static bool is_eligible(const struct audit *audit, const struct job *job)
{
    const struct submission *submission = job->source->submission;
    return audit->settings.share > 0 && !audit->is_stopped && job->source->audit_client && job->keep &&
           !job->source->input && job->identity[0] && is_comparable(job->result) &&
           !strcmp(job->digest, job->result->fields.image_digest) && audit->count < AUDITS_MAX &&
           submission_copy_bytes(submission) <= COPY_BYTES_MAX &&
           audit->bytes + submission_copy_bytes(submission) <= COPIES_BYTES_MAX;
}

static struct copy *make_copy(struct audit *audit, const struct job *job, struct pe_error *err)
{
    struct copy *copy = calloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    copy->audit = audit;
    copy->waiter = (struct job_waiter){.ops = &waiter_ops, .submission = &copy->submission};
    copy->client = job->source->audit_client;
    copy->key = job->key;
    copy->since_us = pe_now_us();
    copy->isolation = job->result->fields.isolation;
    snprintf(copy->id, sizeof copy->id, "%s", job->id);
    snprintf(copy->digest, sizeof copy->digest, "%s", job->digest);
    snprintf(copy->identity, sizeof copy->identity, "%s", job->identity);
    struct audit_run *run = add_run(copy, job->host, job->owner, job->result->fields.trusted_host);
    if (submission_copy(&copy->submission, job->source->submission, err) < 0 ||
        audit_digest_make(job->result, &run->digest, err) < 0) {
        submission_free(&copy->submission);
        free(copy);
        return NULL;
    }
    copy->bytes = submission_copy_bytes(&copy->submission);
    audit->bytes += copy->bytes;
    audit->count++;
    pe_list_append(&audit->copies, &copy->in_copies);
    return copy;
}

static struct audit *from_observer(struct job_observer *observer)
{
    return pe_list_entry(observer, struct audit, observer);
}

static void on_complete(struct job_observer *observer, const struct job *job)
{
    struct audit *audit = from_observer(observer);
    struct pe_error err;
    if (!is_eligible(audit, job) || !is_drawn(audit))
        return;
    struct copy *copy = make_copy(audit, job, &err);
    if (!copy)
        return;
    if (has_another_host(copy))
        dispatch_soon(audit->jobs->dispatch);
    else
        free_copy(copy);
}

static void on_forgotten(struct job_observer *observer, const struct job_key *key)
{
    struct audit *audit = from_observer(observer);
    pe_list_for_each(node, &audit->copies)
    {
        struct copy *copy = pe_list_entry(node, struct copy, in_copies);
        copy->is_over |= !job_key_compare(&copy->key, key);
        if (copy->is_over)
            leave(copy);
    }
    dispatch_soon(audit->jobs->dispatch);
}

void audit_stop(struct audit *audit)
{
    struct loop *loop = audit->jobs->loop;
    audit->is_stopped = true;
    if (audit->wake_ms)
        loop->ops->stop_timer(loop, &audit->timer);
    audit->wake_ms = 0;
    while (audit->copies.next && audit->copies.next != &audit->copies)
        conclude(pe_list_entry(audit->copies.next, struct copy, in_copies), AUDIT_IS_ABANDONED);
}

void audit_init(struct audit *audit, struct jobs *jobs, const struct audit_settings *settings)
{
    *audit = (struct audit){.jobs = jobs, .settings = *settings, .timer = {.on_expire = on_time}};
    pe_list_init(&audit->copies);
    audit->observer = (struct job_observer){.on_complete = on_complete, .on_forgotten = on_forgotten};
    jobs->observer = &audit->observer;
    jobs->dispatch->on_matched = on_matched;
    jobs->dispatch->data = audit;
}
