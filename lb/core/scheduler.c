/* The queue, the ready slots and the hosts, and how they are matched. */
#include "lb/core/scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OVERTAKE_MAX = 8, /* times in a row that a client's first job stands back for a warm VM */
    LOOK_AHEAD = 32,  /* jobs of a client that are considered for it */
};

void scheduler_init(struct scheduler *scheduler, const struct queue_limits *limits)
{
    *scheduler = (struct scheduler){.limits = *limits};
    list_init(&scheduler->workers);
    list_init(&scheduler->slots);
    list_init(&scheduler->unassigned);
    list_init(&scheduler->drained);
    list_init(&scheduler->turns);
}

/* ---- hosts that an operator took out of service ---- */

enum { DRAINED_MAX = 4096 };

struct drained {
    struct list in_drained;
    char name[256];
};

static struct drained *find_drained(const struct scheduler *scheduler, const char *name)
{
    list_for_each(node, &scheduler->drained)
    {
        struct drained *drained = list_entry(node, struct drained, in_drained);
        if (!strcmp(drained->name, name))
            return drained;
    }
    return NULL;
}

static int add_drained(struct scheduler *scheduler, const char *name, struct pe_error *err)
{
    if (scheduler->drained_count == DRAINED_MAX)
        return pe_fail(err, PE_ERR_BUSY, "%d hosts are drained already", DRAINED_MAX);
    struct drained *drained = calloc(1, sizeof *drained);
    if (!drained)
        return pe_fail_errno(err, "draining host '%s'", name);
    snprintf(drained->name, sizeof drained->name, "%s", name);
    list_append(&scheduler->drained, &drained->in_drained);
    scheduler->drained_count++;
    return 0;
}

static void remove_drained(struct scheduler *scheduler, struct drained *drained)
{
    list_remove(&drained->in_drained);
    scheduler->drained_count--;
    free(drained);
}

/* ---- hosts ---- */

static struct worker *find_worker(const struct scheduler *scheduler, const char *name)
{
    list_for_each(node, &scheduler->workers)
    {
        struct worker *worker = list_entry(node, struct worker, in_workers);
        if (!strcmp(worker->name, name))
            return worker;
    }
    return NULL;
}

/* Point a slot to its host, or to none, and keep it where slots of that host wait. */
static void settle_slot(struct scheduler *scheduler, struct slot *slot, struct worker *worker)
{
    if (slot->worker) {
        slot->worker->slots--;
        slot->worker->running -= slot->entry != NULL;
    }
    slot->worker = worker;
    if (worker) {
        worker->slots++;
        worker->running += slot->entry != NULL;
    }
    if (list_linked(&slot->in_ready)) {
        list_remove(&slot->in_ready);
        list_prepend(worker ? &worker->ready : &scheduler->unassigned, &slot->in_ready);
    }
}

static void settle_slots(struct scheduler *scheduler, const char *name, struct worker *worker)
{
    list_for_each(node, &scheduler->slots)
    {
        struct slot *slot = list_entry(node, struct slot, in_slots);
        if (!strcmp(slot->worker_name, name))
            settle_slot(scheduler, slot, worker);
    }
}

static void remove_worker(struct scheduler *scheduler, struct worker *worker)
{
    settle_slots(scheduler, worker->name, NULL);
    list_remove(&worker->in_workers);
    scheduler->worker_count--;
    catalog_free(&worker->catalog);
    free(worker);
}

static struct worker *find_owned(const struct scheduler *scheduler, const void *owner)
{
    list_for_each(node, &scheduler->workers)
    {
        struct worker *worker = list_entry(node, struct worker, in_workers);
        if (worker->owner == owner)
            return worker;
    }
    return NULL;
}

static struct worker *add_worker(struct scheduler *scheduler, const char *name, struct pe_error *err)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        pe_fail_errno(err, "host '%s'", name);
        return NULL;
    }
    snprintf(worker->name, sizeof worker->name, "%s", name);
    worker->serial = ++scheduler->serials;
    worker->drained = find_drained(scheduler, name) != NULL;
    list_init(&worker->ready);
    list_append(&scheduler->workers, &worker->in_workers);
    scheduler->worker_count++;
    settle_slots(scheduler, name, worker);
    return worker;
}

int scheduler_worker_hello(struct scheduler *scheduler, const void *owner, const struct pe_hello *hello,
                           struct pe_error *err)
{
    struct catalog catalog;
    if (catalog_load(&catalog, hello->images, err) < 0)
        return pe_fail_context(err, "host '%s'", hello->host);
    struct worker *before = find_owned(scheduler, owner);
    if (before && strcmp(before->name, hello->host) != 0)
        remove_worker(scheduler, before);
    struct worker *worker = find_worker(scheduler, hello->host);
    if (!worker && !(worker = add_worker(scheduler, hello->host, err))) {
        catalog_free(&catalog);
        return -1;
    }
    catalog_free(&worker->catalog);
    worker->catalog = catalog;
    worker->owner = owner;
    worker->vms = hello->vms ? hello->vms : hello->slots;
    worker->draining = hello->draining;
    return 0;
}

void scheduler_worker_gone(struct scheduler *scheduler, const void *owner)
{
    struct worker *worker = find_owned(scheduler, owner);
    if (worker)
        remove_worker(scheduler, worker);
}

int scheduler_drain(struct scheduler *scheduler, const char *name, bool drained, struct pe_error *err)
{
    struct worker *worker = find_worker(scheduler, name);
    struct drained *before = find_drained(scheduler, name);
    if (!worker && !before)
        return pe_fail(err, PE_ERR_NOT_FOUND, "no host '%s' is connected", name);
    if (drained && !before && add_drained(scheduler, name, err) < 0)
        return -1;
    if (!drained && before)
        remove_drained(scheduler, before);
    if (worker)
        worker->drained = drained;
    return 0;
}

static bool accepts_jobs(const struct worker *worker)
{
    return !worker->draining && !worker->drained;
}

bool scheduler_worker_lives(const struct scheduler *scheduler, uint64_t serial)
{
    list_for_each(node, &scheduler->workers)
    {
        if (list_entry(node, struct worker, in_workers)->serial == serial)
            return true;
    }
    return false;
}

/* ---- slots ---- */

void scheduler_slot_add(struct scheduler *scheduler, struct slot *slot)
{
    list_append(&scheduler->slots, &slot->in_slots);
    scheduler->slot_count++;
}

static void unready(struct scheduler *scheduler, struct slot *slot)
{
    if (!list_linked(&slot->in_ready))
        return;
    list_remove(&slot->in_ready);
    scheduler->ready_count--;
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

void scheduler_slot_ready(struct scheduler *scheduler, struct slot *slot, const char *worker,
                          const char *warm)
{
    if (strcmp(slot->warm, warm) != 0)
        snprintf(slot->warm, sizeof slot->warm, "%s", warm);
    if (!list_linked(&slot->in_ready)) {
        list_prepend(slot->worker ? &slot->worker->ready : &scheduler->unassigned, &slot->in_ready);
        scheduler->ready_count++;
    }
    if (slot->worker && !strcmp(slot->worker_name, worker))
        return;
    snprintf(slot->worker_name, sizeof slot->worker_name, "%s", worker);
    settle_slot(scheduler, slot, find_worker(scheduler, worker));
}

void scheduler_slot_remove(struct scheduler *scheduler, struct slot *slot)
{
    unready(scheduler, slot);
    separate(scheduler, slot);
    if (!list_linked(&slot->in_slots))
        return;
    settle_slot(scheduler, slot, NULL);
    list_remove(&slot->in_slots);
    scheduler->slot_count--;
}

/* ---- choosing a slot ---- */

/* How well a slot suits a job; more is better. */
enum fit { FIT_NONE, FIT_BUSY, FIT_BUSY_WARM, FIT_COLD, FIT_WARM };

static bool is_warm(enum fit fit)
{
    return fit == FIT_WARM || fit == FIT_BUSY_WARM;
}

/* The best slot of one host: the one used last of those that are warm for the image, else the one used last.
 */
static enum fit best_of_worker(const struct worker *worker, const char *image, struct slot **best)
{
    const struct catalog_entry *entry = accepts_jobs(worker) && worker->ready.next != &worker->ready
                                            ? catalog_find(&worker->catalog, image)
                                            : NULL;
    if (!entry)
        return FIT_NONE;
    bool busy = worker->running >= worker->vms;
    list_for_each(node, &worker->ready)
    {
        *best = list_entry(node, struct slot, in_ready);
        if (!strcmp((*best)->warm, entry->name))
            return busy ? FIT_BUSY_WARM : FIT_WARM;
    }
    *best = list_entry(worker->ready.next, struct slot, in_ready);
    return busy ? FIT_BUSY : FIT_COLD;
}

static enum fit best_slot(const struct scheduler *scheduler, const char *image, struct slot **best)
{
    enum fit best_fit = FIT_NONE;
    list_for_each(node, &scheduler->workers)
    {
        struct slot *slot = NULL;
        enum fit fit = best_of_worker(list_entry(node, struct worker, in_workers), image, &slot);
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

const struct catalog_entry *scheduler_find_image(const struct scheduler *scheduler, const char *image)
{
    list_for_each(node, &scheduler->workers)
    {
        const struct catalog_entry *entry =
            catalog_find(&list_entry(node, struct worker, in_workers)->catalog, image);
        if (entry)
            return entry;
    }
    return NULL;
}

static int check_room(const struct scheduler *scheduler, const struct queue_entry *entry,
                      struct pe_error *err)
{
    struct slot *slot = NULL;
    const struct queue_limits *limits = &scheduler->limits;
    bool full = scheduler->queued_count >= limits->jobs;
    if (!full && entry->bytes <= limits->bytes && scheduler->queued_bytes <= limits->bytes - entry->bytes)
        return 0;
    if (best_slot(scheduler, entry->image, &slot) != FIT_NONE)
        return 0;
    return pe_fail(err, PE_ERR_BUSY, "%zu jobs are waiting already, as many as may%s",
                   scheduler->queued_count, full ? "" : " by their size");
}

int scheduler_submit(struct scheduler *scheduler, struct queue_entry *entry, bool front, struct pe_error *err)
{
    struct client_queue *client = entry->client;
    if (!front && check_room(scheduler, entry, err) < 0)
        return -1;
    if (!client->queue.next)
        list_init(&client->queue);
    if (front) {
        list_prepend(&client->queue, &entry->in_queue);
        list_remove(&client->in_turns);
        list_prepend(&scheduler->turns, &client->in_turns);
    } else {
        list_append(&client->queue, &entry->in_queue);
        if (!list_linked(&client->in_turns))
            list_append(&scheduler->turns, &client->in_turns);
    }
    client->queued++;
    scheduler->queued_count++;
    scheduler->queued_bytes += entry->bytes;
    return 0;
}

void scheduler_entry_remove(struct scheduler *scheduler, struct queue_entry *entry)
{
    if (list_linked(&entry->in_queue)) {
        list_remove(&entry->in_queue);
        if (--entry->client->queued == 0)
            list_remove(&entry->client->in_turns);
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
    for (const struct list *node = scheduler->turns.next; node && node != &scheduler->turns;
         node = node->next) {
        const struct client_queue *other = list_entry(node, struct client_queue, in_turns);
        if (other != client)
            ahead += other->queued < own + 1 ? other->queued : own + 1;
    }
    return ahead;
}

/* Jobs of its own client in front of it. */
static size_t place_in_queue(const struct queue_entry *entry)
{
    size_t place = 0;
    list_for_each(node, &entry->client->queue)
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
    size_t turns = own + 1; /* that a client whose turn comes before its own gets until then */
    list_for_each(node, &scheduler->turns)
    {
        const struct client_queue *other = list_entry(node, struct client_queue, in_turns);
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
    list_for_each(node, &scheduler->workers)
    {
        const struct worker *worker = list_entry(node, struct worker, in_workers);
        if (accepts_jobs(worker))
            capacity += worker->slots < worker->vms ? worker->slots : worker->vms;
    }
    return capacity;
}

/* ---- matching ---- */

/* The job of a client that comes next, and its slot: the first that any ready slot can run, unless a VM is
 * warm for one soon behind it. */
static struct queue_entry *next_entry(const struct scheduler *scheduler, struct client_queue *client,
                                      struct slot **slot)
{
    struct queue_entry *first = NULL;
    int seen = 0;
    for (struct list *node = client->queue.next; node && node != &client->queue; node = node->next) {
        struct queue_entry *entry = list_entry(node, struct queue_entry, in_queue);
        struct slot *best = NULL;
        enum fit fit = best_slot(scheduler, entry->image, &best);
        if (fit == FIT_NONE)
            continue;
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

static void join(struct scheduler *scheduler, struct slot *slot, struct queue_entry *entry)
{
    struct client_queue *client = entry->client;
    scheduler_entry_remove(scheduler, entry);
    if (client->queued) { /* its turn is over */
        list_remove(&client->in_turns);
        list_append(&scheduler->turns, &client->in_turns);
    }
    unready(scheduler, slot);
    slot->entry = entry;
    entry->slot = slot;
    slot->worker->running++;
    list_remove(&slot->worker->in_workers);
    list_prepend(&scheduler->workers, &slot->worker->in_workers);
    scheduler->running_count++;
}

bool scheduler_match(struct scheduler *scheduler, struct slot **slot, struct queue_entry **entry)
{
    if (scheduler->ready_count == 0)
        return false;
    list_for_each(node, &scheduler->turns)
    {
        *entry = next_entry(scheduler, list_entry(node, struct client_queue, in_turns), slot);
        if (!*entry)
            continue;
        join(scheduler, *slot, *entry);
        return true;
    }
    return false;
}
