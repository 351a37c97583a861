/* SPDX-License-Identifier: Apache-2.0 */
/* Groups and runs: who waits for what, from when to when. The rules of order are in order.c, and what
 * follows from losses is in losses.c. */
#include "tests/model/book.h"

#include "tests/model/balancer.h"
#include "tests/model/choices.h"
#include "tests/model/clients.h"
#include "tests/model/clock.h"
#include "tests/model/dialects.h"
#include "tests/model/input.h"
#include "tests/model/judge.h"
#include "tests/model/known.h"
#include "tests/model/order.h"
#include "tests/model/output.h"

#include <string.h>

/* Everything is kept until the end of the run: answers may come late. */
static struct group **groups;
static struct run **runs;
static uint64_t completions;
static unsigned group_count, run_count, first_live; /* groups before `first_live` have no members */

enum { RETURNS_MAX = 64 }; /* how often a job may be given back in one try */

/* What the store was given: equal keys must mean equal work. */
struct put {
    uint8_t key[32];
    struct work work;
    unsigned variant;
};
static struct put *stored;
static unsigned stored_count;

static void *grow(void *array, unsigned count, size_t size)
{
    if (count & (count - 1))
        return array;
    void *grown = realloc(array, (count ? count * 2 : 1) * size);
    if (!grown)
        abort();
    return grown;
}

void book_reset(void)
{
    first_live = 0;
}

void book_free(void)
{
    for (unsigned i = 0; i < group_count; i++)
        free(groups[i]);
    for (unsigned i = 0; i < run_count; i++) {
        output_free(runs[i]);
        free(runs[i]);
    }
    free(groups);
    free(runs);
    free(stored);
    groups = NULL;
    runs = NULL;
    stored = NULL;
    group_count = run_count = stored_count = 0;
}

void book_each(void (*visit)(struct group *group, void *data), void *data)
{
    for (unsigned i = first_live; i < group_count; i++)
        if (groups[i]->members)
            visit(groups[i], data);
}

void book_each_ever(void (*visit)(struct group *group, void *data), void *data)
{
    for (unsigned i = 0; i < group_count; i++)
        visit(groups[i], data);
}

const struct run *book_run(unsigned number)
{
    return number && number <= run_count ? runs[number - 1] : NULL;
}

void book_each_run(const struct group *group, void (*visit)(const struct run *run, void *data), void *data)
{
    for (unsigned i = 0; i < run_count; i++)
        if (runs[i]->group == group)
            visit(runs[i], data);
}

/* ---- the clocks of requests ---- */

static void stop_clock(struct request *request)
{
    if (request->since_us)
        request->waited_us += clock_us - request->since_us;
    request->since_us = 0;
}

static void each_member(const struct group *group, void (*visit)(struct request *request))
{
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++)
        if (request_waits_for(requests[i], group))
            visit(requests[i]);
}

/* The time of a request runs while nothing of it is on a slot. */
static void update_clock(struct request *request)
{
    bool is_running = false;
    for (unsigned part = 0; part < PARTS_MAX; part++)
        is_running |= request->groups[part] && request->groups[part]->state == GROUP_RUNNING;
    if (is_running)
        stop_clock(request);
    else if (!request->since_us)
        request->since_us = clock_us;
}

static void lose_run(struct request *request)
{
    if (request->session)
        request->waited_us = 0; /* it may wait as long as at first */
    else if (request->watcher && !request->work.plan)
        request->watcher->must_restart = true;
    else if (!request->watcher)
        request->lost_its_run |= request->started;
    update_clock(request);
}

/* ---- who waits for what ---- */

static void enter_state(struct group *group, enum group_state state)
{
    group->state = state;
    group->since_us = clock_us;
}

static struct group *find_job(const struct job *job)
{
    for (unsigned i = first_live; i < group_count; i++)
        if (groups[i]->members && groups[i]->job == job)
            return groups[i];
    return NULL;
}

/* A request, or one part of it. */
struct member {
    struct request *request;
    unsigned part;
};

static struct member source_of(const struct job *job)
{
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++)
        for (unsigned part = 0; part < PARTS_MAX; part++)
            if (request_waiter(requests[i], part) == job->source)
                return (struct member){requests[i], part};
    EXPECT(false, "the source of a job is no open request");
    return (struct member){NULL, 0};
}

static void set_source(struct group *group, struct member source)
{
    group->source = source.request;
    group->client = source.request->client;
    group->bytes = request_bytes(source.request, source.part);
}

/* Whether the job is in the queue, or was taken out of it for a slot. */
static bool has_place(const struct job *job)
{
    return pe_list_linked(&job->entry.in_queue) || job->entry.slot;
}

static struct group *make_group(const struct job *job)
{
    const struct member member = source_of(job);
    const struct request *source = member.request;
    struct group *group = calloc(1, sizeof *group);
    groups = grow(groups, group_count, sizeof *groups);
    if (!group)
        abort();
    groups[group_count++] = group;
    group->number = group_count;
    group->job = job;
    group->work = part_of_work(source->work, member.part);
    group->demand = source->demand;
    group->caching = source->caching;
    group->needs_live = source->session != NULL;
    group->has_key = source->caching != CACHING_NONE;
    group->key = job->key;
    group->variants = known_variants(source->work.image, source->demand);
    group->may_be_joined = group->must_be_joined = source->caching == CACHING_USE;
    snprintf(group->id, sizeof group->id, "%s", job->id);
    set_source(group, member);
    enter_state(group, has_place(job) ? GROUP_QUEUED : GROUP_LOOKING);
    if (group->state == GROUP_QUEUED)
        order_append(group);
    TRACE("group %u: image %u, payload %u", group->number, group->work.image, group->work.payload);
    return group;
}

static void enter_group(struct request *request, unsigned part, const struct job *job)
{
    struct group *group = find_job(job);
    bool is_new = !group;
    if (is_new) {
        const struct member source = source_of(job);
        judge_new_group(source.request, source.part);
        group = make_group(job);
    }
    if (request_waiter(request, part) != job->source)
        judge_joined(request, part, group);
    if (++group->members > group->members_max)
        group->members_max = group->members;
    group->is_watched |= request->watcher != NULL;
    request->groups[part] = request->last_groups[part] = group;
    request->late_us = judge_waited_us(request);
    TRACE("request %u waits for group %u", request->number, group->number);
    if (group->state == GROUP_RUNNING)
        stop_clock(request);
}

static void leave_group(struct request *request, unsigned part)
{
    struct group *group = request->groups[part];
    request->groups[part] = NULL;
    request->left_us = clock_us;
    if (request_group(request))
        update_clock(request);
    if (request->session)
        request->was_let_in = request->session->is_counted = false;
    bool is_over = clock_us / 1000 >= (group->since_us + LOSS_RETRY_US) / 1000;
    bool left_before = request->problem[0] || request->hung_up; /* perhaps in the same millisecond */
    if (--group->members == 0 && group->state == GROUP_RETRYING && group->lost == TRIES && is_over &&
        !left_before)
        book_conclude(group);
}

void book_forget(struct request *request)
{
    for (unsigned part = 0; part < PARTS_MAX; part++)
        if (request->groups[part])
            leave_group(request, part);
}

/* Whether a request waits for workers. */
static bool waits_for_workers(const struct request *request)
{
    if (request->session)
        return !request_waiter(request, 0) || !request_waiter(request, 0)->job;
    return !request->exchange || request_gathers(request);
}

/* The balancer has looked at the workers for a request, unless it still waits for them. */
static void evaluate(struct request *request)
{
    if (request->is_evaluated || waits_for_workers(request))
        return;
    request->is_evaluated = true;
    if (!request->session)
        dialect_resolve(request);
    request->left_us = clock_us;
    request->variants = known_variants(request->work.image, request->demand);
}

static const struct job *job_of(const struct request *request, unsigned part)
{
    const struct job_waiter *waiter = request_waiter(request, part);
    return waiter ? waiter->job : NULL;
}

static void sync_requests(void)
{
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++)
        for (unsigned part = 0; part < PARTS_MAX; part++)
            if (requests[i]->groups[part] && requests[i]->groups[part]->job != job_of(requests[i], part))
                leave_group(requests[i], part);
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++) {
        evaluate(requests[i]);
        for (unsigned part = 0; part < PARTS_MAX; part++)
            if (job_of(requests[i], part) && !requests[i]->groups[part])
                enter_group(requests[i], part, job_of(requests[i], part));
    }
}

static void sync_group(struct group *group, void *data)
{
    const struct job *job = group->job;
    const struct member source = source_of(job);
    (void)data;
    EXPECT(source.request->groups[source.part] == group, "the source of group %u is not one of its members",
           group->number);
    if (group->state == GROUP_LOOKING && has_place(job)) {
        enter_state(group, GROUP_QUEUED);
        order_append(group);
    } else if (group->state == GROUP_RETRYING && has_place(job)) {
        EXPECT(clock_us + 1000 >= group->since_us + LOSS_RETRY_US, "group %u is tried again too soon",
               group->number);
        set_source(group, source);
        enter_state(group, GROUP_QUEUED);
        order_prepend(group);
    } else if (group->source != source.request && group->state == GROUP_QUEUED) {
        set_source(group, source);
        order_prepend(group);
    }
    set_source(group, source);
}

void book_sync(void)
{
    known_sync();
    order_go_on();
    sync_requests();
    book_each(sync_group, NULL);
    while (first_live < group_count && !groups[first_live]->members)
        first_live++;
}

/* ---- runs ---- */

/* The group whose job is about to start. Its id may be that of another one, too: a client can use an id
 * again when its request has ended, and a job can go on without the request that began it. */
static struct group *find_id(const char *id)
{
    for (unsigned i = first_live; i < group_count; i++)
        if (groups[i]->members && !strcmp(groups[i]->id, id) && groups[i]->state == GROUP_QUEUED &&
            groups[i]->job->entry.slot)
            return groups[i];
    return NULL;
}

/* The message of the job is what its clients have asked for. */
static void check_message(const struct group *group, const struct pe_message *message)
{
    const struct pe_job_spec *spec = &message->job;
    char payload[16];
    snprintf(payload, sizeof payload, "payload-%u", group->work.payload);
    EXPECT(!strcmp(spec->image, name_of_image(group->work.image)), "it has the image %s", spec->image);
    bool has_plan = group->work.plan > 0, is_last = !strcmp(spec->cmd[spec->cmd_count - 1], payload);
    EXPECT(!strcmp(spec->cmd[0], has_plan ? PE_STAGES_PROGRAM : payload), "it has another command than %s",
           payload);
    EXPECT(group->work.api == API_PISTON ? is_last : spec->cmd_count == 1u + has_plan,
           "it has %zu arguments, and the last one is %s", spec->cmd_count, spec->cmd[spec->cmd_count - 1]);
    EXPECT(spec->isolation.bits == group->demand.bits, "it demands another isolation");
    bool has_input = has_plan && !group->needs_live; /* a plan, or standard input */
    EXPECT(message->parts.count == 1u + has_input, "it has %zu files", message->parts.count);
    EXPECT(message->parts.items[0].size == client_file_size(group->work.payload), "it has another file");
}

static struct run *make_run(struct group *group, struct slot_actor *slot)
{
    struct run *run = calloc(1, sizeof *run);
    runs = grow(runs, run_count, sizeof *runs);
    if (!run)
        abort();
    runs[run_count++] = run;
    *run = (struct run){.number = run_count,
                        .group = group,
                        .slot = slot,
                        .work = group->work,
                        .name = slot->name,
                        .variant = known_variant(slot->name, group->work.image, group->demand),
                        .worker_isolation = known_claim(slot->name)->offer.isolation};
    return run;
}

/* ---- copies of jobs that are audited ---- */

enum { COPIES_MAX = 2 }; /* on slots at a time */

static unsigned count_copies(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SLOTS; i++)
        count += slots[i].run && slots[i].run->group->is_copy;
    return count;
}

static void note_queued(struct group *group, void *data)
{
    *(bool *)data |= group->state == GROUP_QUEUED;
}

/* Whether a job waits for a slot. */
static bool has_queue_now(void)
{
    bool has_queue = false;
    book_each(note_queued, &has_queue);
    return has_queue;
}

bool book_must_yield(const struct run *run)
{
    return balancer.exchanges.draining || has_queue_now() ||
           (known_claim(run->slot->name) && !order_has_room(run->slot->name, 0));
}

static struct work work_of(const struct pe_job_spec *spec)
{
    struct work work = {.image = IMAGES};
    for (unsigned image = 0; image < IMAGES; image++)
        if (!strcmp(spec->image, name_of_image(image)))
            work.image = image;
    EXPECT(work.image < IMAGES && spec->cmd_count == 1 && !strncmp(spec->cmd[0], "payload-", 8),
           "a copy has the image %s", spec->image);
    work.payload = (unsigned)strtoul(spec->cmd[0] + 8, NULL, 10);
    return work;
}

static bool is_copy_of(const struct run *run, struct work work)
{
    return run->work.image == work.image && run->work.payload == work.payload && !run->work.plan &&
           !run->work.api && !run->group->is_copy;
}

/* The last run that a copy can be one of. */
static const struct run *find_original(struct work work)
{
    for (unsigned i = run_count; i-- > 0;)
        if (is_copy_of(runs[i], work) && runs[i]->state == RUN_COMPLETE && runs[i]->fits &&
            runs[i]->is_final && runs[i]->group->caching != CACHING_NONE)
            return runs[i];
    return NULL;
}

/* Nobody waits for a copy, so it may only have a slot that would be idle. */
static struct group *begin_copy(const struct slot_actor *slot, const struct pe_message *message)
{
    struct group *group = calloc(1, sizeof *group);
    groups = grow(groups, group_count, sizeof *groups);
    if (!group)
        abort();
    groups[group_count++] = group;
    *group = (struct group){.number = group_count,
                            .is_copy = true,
                            .work = work_of(&message->job),
                            .demand = message->job.isolation,
                            .state = GROUP_QUEUED};
    group->caching = CACHING_NONE;
    EXPECT(options.audits && find_original(group->work),
           "slot %u is given the job %s, for which nobody waits", slot->number, message->id);
    EXPECT(!balancer.exchanges.draining, "a copy is started at the end");
    EXPECT(!has_queue_now(), "a copy is started although a job waits");
    EXPECT(order_has_room(slot->name, 1), "a copy is started on worker %u, which is busy", slot->name);
    EXPECT(count_copies() < COPIES_MAX, "too many copies run");
    TRACE("group %u is a copy of payload %u", group->number, group->work.payload);
    return group;
}

void book_on_wrong_result(const struct submission *submission)
{
    struct work work = work_of(&submission->spec);
    EXPECT(find_original(work), "a result is wrong that there was not");
    for (unsigned i = 0; i < run_count; i++)
        runs[i]->is_deleted |= is_copy_of(runs[i], work);
}

/* ---- runs that begin and end ---- */

void book_on_job(struct slot_actor *slot, const struct pe_message *message)
{
    book_sync();
    struct group *group = find_id(message->id);
    group = group ? group : begin_copy(slot, message);
    EXPECT(slot_is_ready(slot), "group %u is given to slot %u, which is not ready", group->number,
           slot->number);
    EXPECT(book_fits(group, slot), "group %u is given to slot %u, whose worker cannot run it", group->number,
           slot->number);
    EXPECT(group->lost < TRIES, "group %u is tried too often", group->number);
    check_message(group, message);
    group->started_us = clock_us;
    if (!group->is_copy)
        order_on_start(group, slot);
    struct run *run = make_run(group, slot);
    TRACE("run %u of group %u on slot %u of worker %u", run->number, group->number, slot->number, slot->name);
    bool is_certain = group->variants == 1u << run->variant;
    run->mismatch = group->has_mismatch |= !is_certain;
    group->must_be_joined &= is_certain;
    group->may_be_joined &= (group->variants & 1u << run->variant) != 0;
    if (group->is_copy && chance(70))
        run->copied = find_original(group->work);
    output_choose(run);
    group->run = slot->run = run;
    group->last_run = run;
    input_on_job(run, message);
    enter_state(group, GROUP_RUNNING);
    each_member(group, update_clock);
}

void book_end_run(struct run *run, enum run_state state, bool of_vm)
{
    struct group *group = run->group;
    const struct claim *claim = run->slot->has_name ? known_claim(run->slot->name) : NULL;
    TRACE("run %u %s", run->number,
          state == RUN_COMPLETE   ? "is complete"
          : state == RUN_LOST     ? "is lost"
          : state == RUN_CANCELED ? "is cancelled"
          : state == RUN_RETURNED ? "is given back"
                                  : "is refused");
    run->state = state;
    run->completion = ++completions;
    run->slot->run = NULL;
    run->slot = NULL;
    group->run = NULL;
    if (state != RUN_LOST)
        return;
    group->lost = group->is_copy ? 0 : group->lost; /* it has one try */
    book_add_loss(group, (struct loss){.serial = claim ? claim->serial : 0, .of_vm = of_vm});
    enter_state(group, GROUP_RETRYING);
    each_member(group, lose_run);
}

void book_return_run(struct run *run)
{
    struct group *group = run->group;
    input_on_return(run);
    if (group->is_copy) {
        book_end_run(run, RUN_RETURNED, false);
        return;
    }
    if (++group->returns % RETURNS_MAX == 0) {
        book_end_run(run, RUN_LOST, true);
        return;
    }
    book_end_run(run, RUN_RETURNED, false);
    enter_state(group, GROUP_QUEUED);
    order_prepend(group);
    each_member(group, lose_run);
}

/* ---- the store ---- */

void book_on_put(const uint8_t key[32], const uint8_t *payload, size_t size)
{
    const struct run *run = judge_find_run(payload, size);
    EXPECT(run && run->state == RUN_COMPLETE, "the store is given a result that no worker has completed");
    EXPECT(run->fits && run->is_final, "the store is given the result of run %u", run->number);
    for (unsigned i = 0; i < stored_count; i++) {
        bool is_same = is_same_work(stored[i].work, run->work) && stored[i].variant == run->variant;
        EXPECT(is_same == !memcmp(stored[i].key, key, 32), "the key of run %u is wrong", run->number);
    }
    stored = grow(stored, stored_count, sizeof *stored);
    stored[stored_count] = (struct put){.work = run->work, .variant = run->variant};
    memcpy(stored[stored_count++].key, key, 32);
}

/* ---- results that are surely in memory ---- */

const struct run *book_find_kept(struct work work, unsigned variant)
{
    const struct run *last = NULL;
    for (unsigned i = 0; i < run_count; i++) {
        const struct run *run = runs[i];
        if (run->state == RUN_COMPLETE && is_same_work(run->work, work) && run->variant == variant &&
            run->group->caching != CACHING_NONE && run->fits && run->is_final && !run->is_deleted &&
            !run->group->is_forgotten && (!last || run->completion > last->completion))
            last = run;
    }
    return last;
}
