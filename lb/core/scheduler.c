/* SPDX-License-Identifier: Apache-2.0 */
/* The queue and the ready slots, and how jobs are matched with slots. When matching happens is decided
 * in dispatch.c, and what is known about workers is in workers.c. */
#include "lb/core/scheduler.h"

#include <stdio.h>
#include <string.h>

enum {
    OVERTAKE_MAX = 8, /* how often in a row the first job of a client may be overtaken */
    LOOK_AHEAD = 32,  /* jobs of a client that are considered for overtaking */
};

/* The catalog of one worker needs up to 20 MB, and most need less than 1 MB. */
#define CATALOG_BYTES_MAX ((size_t)1 << 30)

void scheduler_init(struct scheduler *scheduler, const struct queue_limits *limits)
{
    *scheduler = (struct scheduler){.limits = *limits, .catalog_bytes_max = CATALOG_BYTES_MAX};
    pe_list_init(&scheduler->workers);
    pe_list_init(&scheduler->slots);
    pe_list_init(&scheduler->unassigned);
    pe_list_init(&scheduler->drained);
    pe_list_init(&scheduler->turns);
}

/* ---- slots ---- */

void scheduler_slot_add(struct scheduler *scheduler, struct slot *slot)
{
    pe_list_append(&scheduler->slots, &slot->in_slots);
    scheduler->slot_count++;
}

static void remove_from_ready(struct scheduler *scheduler, struct slot *slot)
{
    if (!pe_list_linked(&slot->in_ready))
        return;
    pe_list_remove(&slot->in_ready);
    scheduler->ready_count -= slot->worker != NULL;
}

static void separate(struct scheduler *scheduler, struct slot *slot)
{
    if (!slot->entry)
        return;
    if (slot->worker)
        slot->worker->running--;
    slot->entry->slot = NULL;
    slot->entry = NULL;
    scheduler->running_count--;
}

static void set_elsewhere(struct slot *slot, bool is_elsewhere)
{
    if (slot->worker && slot->is_elsewhere != is_elsewhere)
        slot->worker->elsewhere += is_elsewhere ? 1 : (size_t)-1;
    slot->is_elsewhere = is_elsewhere;
}

void scheduler_slot_withdraw(struct scheduler *scheduler, struct slot *slot)
{
    remove_from_ready(scheduler, slot);
    set_elsewhere(slot, true);
}

void scheduler_slot_ready(struct scheduler *scheduler, struct slot *slot, const char *worker,
                          const char *warm)
{
    set_elsewhere(slot, false);
    if (strcmp(slot->warm, warm) != 0)
        snprintf(slot->warm, sizeof slot->warm, "%s", warm);
    if (!pe_list_linked(&slot->in_ready)) {
        pe_list_prepend(slot->worker ? &slot->worker->ready : &scheduler->unassigned, &slot->in_ready);
        scheduler->ready_count += slot->worker != NULL;
    }
    if (slot->worker && !strcmp(slot->worker_name, worker))
        return;
    snprintf(slot->worker_name, sizeof slot->worker_name, "%s", worker);
    scheduler_slot_assign(scheduler, slot, scheduler_find_worker(scheduler, worker));
}

bool scheduler_slot_is_trusted(const struct slot *slot)
{
    return slot->trusted && slot->worker && slot->worker->claim->trusted;
}

void scheduler_slot_remove(struct scheduler *scheduler, struct slot *slot)
{
    remove_from_ready(scheduler, slot);
    separate(scheduler, slot);
    if (!pe_list_linked(&slot->in_slots))
        return;
    scheduler_slot_assign(scheduler, slot, NULL);
    pe_list_remove(&slot->in_slots);
    scheduler->slot_count--;
}

/* ---- choosing a slot ---- */

/* The worker's entry of an image, if it has it and its isolation is accepted; else NULL. */
static const struct catalog_entry *find_image_of(const struct worker *worker, const char *image,
                                                 struct pe_isolation_set demand)
{
    return pe_demand_accepts(demand, worker->claim->isolation, worker->claim->trusted)
               ? catalog_find(&worker->claim->catalog, image)
               : NULL;
}

static bool accepts_jobs(const struct worker *worker)
{
    return !worker->claim->draining && !worker->drained;
}

/* How well a slot fits a job; a greater value is better. BUSY: all VMs of its worker run jobs. */
enum fit { FIT_NONE, FIT_BUSY, FIT_BUSY_WARM, FIT_COLD, FIT_WARM };

static bool is_warm(enum fit fit)
{
    return fit == FIT_WARM || fit == FIT_BUSY_WARM;
}

static bool is_avoided(const struct queue_entry *job, const struct worker *worker)
{
    for (unsigned i = 0; i < job->avoided_count; i++)
        if (job->avoided[i] == worker->claim->serial)
            return true;
    return false;
}

bool scheduler_worker_can_run(const struct worker *worker, const struct queue_entry *job)
{
    return worker->slots && !scheduler_worker_is_away(worker) && accepts_jobs(worker) &&
           find_image_of(worker, job->image, job->isolation);
}

bool scheduler_has_other_worker(const struct scheduler *scheduler, const struct queue_entry *job)
{
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        if (!is_avoided(job, worker) && scheduler_worker_can_run(worker, job))
            return true;
    }
    return false;
}

/* The best slot of one worker that can run the job: the one that was used last among those that are warm for
 * the image, otherwise the one that was used last. */
static enum fit best_of_worker(const struct worker *worker, const struct queue_entry *job, struct slot **best)
{
    const struct catalog_entry *entry = accepts_jobs(worker) && worker->ready.next != &worker->ready
                                            ? find_image_of(worker, job->image, job->isolation)
                                            : NULL;
    if (!entry)
        return FIT_NONE;
    bool busy = worker->running + worker->elsewhere >= worker->claim->vms;
    struct slot *first = NULL;
    pe_list_for_each(node, &worker->ready)
    {
        struct slot *slot = pe_list_entry(node, struct slot, in_ready);
        if ((job->needs_live && !slot->is_live) || (job->isolation.trusted_host && !slot->trusted))
            continue;
        first = first ? first : slot;
        if (strcmp(slot->warm, entry->name) != 0)
            continue;
        *best = slot;
        return busy ? FIT_BUSY_WARM : FIT_WARM;
    }
    *best = first;
    return !first ? FIT_NONE : busy ? FIT_BUSY : FIT_COLD;
}

static enum fit best_slot(const struct scheduler *scheduler, const struct queue_entry *job,
                          struct slot **best)
{
    enum fit best_fit = FIT_NONE;
    bool choosy = job->avoided_count && scheduler_has_other_worker(scheduler, job);
    pe_list_for_each(node, &scheduler->workers)
    {
        struct slot *slot = NULL;
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        if (choosy && is_avoided(job, worker))
            continue;
        enum fit fit = best_of_worker(worker, job, &slot);
        if (fit > best_fit) {
            best_fit = fit;
            *best = slot;
        }
        if (fit == FIT_WARM)
            break;
    }
    return best_fit;
}

/* ---- jobs ---- */

const struct catalog_entry *scheduler_find_image(const struct scheduler *scheduler, const char *image,
                                                 struct pe_isolation_set demand)
{
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct catalog_entry *entry =
            find_image_of(pe_list_entry(node, struct worker, in_workers), image, demand);
        if (entry)
            return entry;
    }
    return NULL;
}

bool scheduler_has_live(const struct scheduler *scheduler, const char *image, struct pe_isolation_set demand)
{
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        if (worker->claim->is_live && find_image_of(worker, image, demand))
            return true;
    }
    return false;
}

struct pe_isolation_set scheduler_isolations(const struct scheduler *scheduler, const char *image)
{
    struct pe_isolation_set set = {0};
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        if (catalog_find(&worker->claim->catalog, image))
            set.bits |= pe_isolation_set_of(worker->claim->isolation).bits;
    }
    return set;
}

size_t scheduler_slots_elsewhere(const struct scheduler *scheduler)
{
    size_t count = 0;
    pe_list_for_each(node, &scheduler->workers)
    {
        count += pe_list_entry(node, struct worker, in_workers)->elsewhere;
    }
    return count;
}

static bool has_room(const struct scheduler *scheduler, size_t bytes)
{
    const struct queue_limits *limits = &scheduler->limits;
    size_t used = scheduler->queued_bytes + scheduler->joined_bytes;
    return scheduler->queued_count + scheduler->joined_count < limits->jobs && bytes <= limits->bytes &&
           used <= limits->bytes - bytes;
}

bool scheduler_has_room(const struct scheduler *scheduler, const struct queue_entry *entry)
{
    return has_room(scheduler, entry->bytes);
}

static int refuse(const struct scheduler *scheduler, struct pe_error *err)
{
    size_t waiting = scheduler->queued_count + scheduler->joined_count;
    return pe_fail(err, PE_ERR_BUSY, "%zu jobs are waiting already, which is the limit%s", waiting,
                   waiting >= scheduler->limits.jobs ? "" : " for jobs of their size");
}

static int check_room(const struct scheduler *scheduler, const struct queue_entry *entry,
                      struct pe_error *err)
{
    struct slot *slot = NULL;
    bool fits = has_room(scheduler, entry->bytes) || best_slot(scheduler, entry, &slot) != FIT_NONE;
    return fits ? 0 : refuse(scheduler, err);
}

int scheduler_joined_add(struct scheduler *scheduler, size_t bytes, struct pe_error *err)
{
    if (!has_room(scheduler, bytes))
        return refuse(scheduler, err);
    scheduler->joined_count++;
    scheduler->joined_bytes += bytes;
    return 0;
}

void scheduler_joined_remove(struct scheduler *scheduler, size_t bytes)
{
    scheduler->joined_count--;
    scheduler->joined_bytes -= bytes;
}

int scheduler_submit(struct scheduler *scheduler, struct queue_entry *entry, bool front, struct pe_error *err)
{
    struct client_queue *client = entry->client;
    if (!front && check_room(scheduler, entry, err) < 0)
        return -1;
    if (!client->queue.next)
        pe_list_init(&client->queue);
    if (front) {
        pe_list_prepend(&client->queue, &entry->in_queue);
        pe_list_remove(&client->in_turns);
        pe_list_prepend(&scheduler->turns, &client->in_turns);
    } else {
        pe_list_append(&client->queue, &entry->in_queue);
        if (!pe_list_linked(&client->in_turns))
            pe_list_append(&scheduler->turns, &client->in_turns);
    }
    client->queued++;
    scheduler->queued_count++;
    scheduler->queued_bytes += entry->bytes;
    return 0;
}

void scheduler_entry_remove(struct scheduler *scheduler, struct queue_entry *entry)
{
    if (pe_list_linked(&entry->in_queue)) {
        pe_list_remove(&entry->in_queue);
        if (--entry->client->queued == 0)
            pe_list_remove(&entry->client->in_turns);
        scheduler->queued_count--;
        scheduler->queued_bytes -= entry->bytes;
    }
    if (entry->slot)
        separate(scheduler, entry->slot);
}

size_t scheduler_jobs_ahead(const struct scheduler *scheduler, const struct client_queue *client)
{
    size_t own = client ? client->queued : 0;
    size_t ahead = own;
    for (const struct pe_list *node = scheduler->turns.next; node && node != &scheduler->turns;
         node = node->next) {
        const struct client_queue *other = pe_list_entry(node, struct client_queue, in_turns);
        if (other != client)
            ahead += other->queued < own + 1 ? other->queued : own + 1;
    }
    return ahead;
}

/* How many jobs of the same client wait in front of it. */
static size_t place_in_queue(const struct queue_entry *entry)
{
    size_t place = 0;
    pe_list_for_each(node, &entry->client->queue)
    {
        if (node == &entry->in_queue)
            break;
        place++;
    }
    return place;
}

size_t scheduler_jobs_before(const struct scheduler *scheduler, const struct queue_entry *entry)
{
    size_t own = place_in_queue(entry), before = own;
    size_t turns = own + 1; /* jobs that start per client whose turn comes before this client's */
    pe_list_for_each(node, &scheduler->turns)
    {
        const struct client_queue *other = pe_list_entry(node, struct client_queue, in_turns);
        if (other == entry->client)
            turns = own;
        else
            before += other->queued < turns ? other->queued : turns;
    }
    return before;
}

size_t scheduler_capacity(const struct scheduler *scheduler)
{
    size_t capacity = 0;
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        if (accepts_jobs(worker))
            capacity += worker->slots < worker->claim->vms ? worker->slots : worker->claim->vms;
    }
    return capacity;
}

/* ---- matching ---- */

/* Whether no slot can run this job because none can run that one. */
static bool is_as_hopeless(const struct queue_entry *job, const struct queue_entry *hopeless)
{
    return hopeless && !hopeless->avoided_count && job->needs_live == hopeless->needs_live &&
           job->isolation.bits == hopeless->isolation.bits &&
           job->isolation.trusted_host == hopeless->isolation.trusted_host &&
           !strcmp(job->image, hopeless->image);
}

/* The next job of a client and its slot: the first job that a ready slot can run, unless a VM is
 * warm for a job soon behind it. */
static struct queue_entry *next_entry(const struct scheduler *scheduler, struct client_queue *client,
                                      struct slot **slot)
{
    struct queue_entry *first = NULL;
    const struct queue_entry *hopeless = NULL; /* of many jobs for one image, only one is looked at */
    int seen = 0;
    for (struct pe_list *node = client->queue.next; node && node != &client->queue; node = node->next) {
        struct queue_entry *entry = pe_list_entry(node, struct queue_entry, in_queue);
        struct slot *best = NULL;
        if (is_as_hopeless(entry, hopeless))
            continue;
        enum fit fit = best_slot(scheduler, entry, &best);
        if (fit == FIT_NONE) {
            hopeless = entry;
            continue;
        }
        if (!first || is_warm(fit)) {
            client->overtaken = first ? client->overtaken + 1 : client->overtaken;
            first = entry;
            *slot = best;
        }
        if (is_warm(fit) || client->overtaken >= OVERTAKE_MAX || ++seen >= LOOK_AHEAD)
            break;
    }
    if (first && client->queue.next == &first->in_queue)
        client->overtaken = 0;
    return first;
}

/* Let a job that is not in the queue run on a ready slot. */
static void connect(struct scheduler *scheduler, struct slot *slot, struct queue_entry *entry)
{
    remove_from_ready(scheduler, slot);
    slot->entry = entry;
    entry->slot = slot;
    slot->worker->running++;
    pe_list_remove(&slot->worker->in_workers);
    pe_list_prepend(&scheduler->workers, &slot->worker->in_workers);
    scheduler->running_count++;
}

static void join(struct scheduler *scheduler, struct slot *slot, struct queue_entry *entry)
{
    struct client_queue *client = entry->client;
    scheduler_entry_remove(scheduler, entry);
    if (client->queued) { /* its turn has passed */
        pe_list_remove(&client->in_turns);
        pe_list_append(&scheduler->turns, &client->in_turns);
    }
    connect(scheduler, slot, entry);
}

/* How many jobs the workers could start at once. */
static size_t count_idle(const struct scheduler *scheduler)
{
    size_t idle = 0;
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        const size_t busy = worker->running + worker->elsewhere, vms = worker->claim->vms;
        const size_t left = accepts_jobs(worker) && busy < vms ? vms - busy : 0;
        size_t ready = 0;
        for (const struct pe_list *slot = worker->ready.next; ready < left && slot != &worker->ready;
             slot = slot->next)
            ready++;
        idle += ready;
    }
    return idle;
}

bool scheduler_take_idle(struct scheduler *scheduler, struct queue_entry *entry,
                         const struct idle_choice *choice)
{
    struct slot *best = NULL;
    unsigned best_rank = 0;
    if (count_idle(scheduler) <= choice->idle_left)
        return false;
    pe_list_for_each(node, &scheduler->workers)
    {
        struct slot *slot = NULL;
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        unsigned rank =
            best_of_worker(worker, entry, &slot) >= FIT_COLD ? choice->rank(worker, choice->data) : 0;
        if (rank <= best_rank)
            continue;
        best = slot;
        best_rank = rank;
    }
    if (best)
        connect(scheduler, best, entry);
    return best != NULL;
}

struct queue_entry *scheduler_match(struct scheduler *scheduler)
{
    if (scheduler->ready_count == 0)
        return NULL;
    pe_list_for_each(node, &scheduler->turns)
    {
        struct slot *slot = NULL;
        struct queue_entry *entry =
            next_entry(scheduler, pe_list_entry(node, struct client_queue, in_turns), &slot);
        if (!entry)
            continue;
        join(scheduler, slot, entry);
        return entry;
    }
    return NULL;
}
