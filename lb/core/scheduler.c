/* The queue, the ready slots and the hosts, and how they are matched. */
#include "lb/core/scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OVERTAKE_MAX = 8, /* times in a row that a client's first job stands back for a warm VM */
    LOOK_AHEAD = 32,  /* jobs of a client that are considered for it */
};

void scheduler_init(struct scheduler *scheduler, const struct sched_limits *limits)
{
    *scheduler = (struct scheduler){.limits = *limits};
    list_init(&scheduler->hosts);
    list_init(&scheduler->slots);
    list_init(&scheduler->homeless);
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

static struct sched_host *find_host(const struct scheduler *scheduler, const char *name)
{
    list_for_each(node, &scheduler->hosts)
    {
        struct sched_host *host = list_entry(node, struct sched_host, in_hosts);
        if (!strcmp(host->name, name))
            return host;
    }
    return NULL;
}

/* Point a slot to its host, or to none, and keep it where slots of that host wait. */
static void settle_slot(struct scheduler *scheduler, struct sched_slot *slot, struct sched_host *host)
{
    if (slot->host) {
        slot->host->slots--;
        slot->host->running -= slot->job != NULL;
    }
    slot->host = host;
    if (host) {
        host->slots++;
        host->running += slot->job != NULL;
    }
    if (list_linked(&slot->in_ready)) {
        list_remove(&slot->in_ready);
        list_prepend(host ? &host->ready : &scheduler->homeless, &slot->in_ready);
    }
}

static void settle_slots(struct scheduler *scheduler, const char *name, struct sched_host *host)
{
    list_for_each(node, &scheduler->slots)
    {
        struct sched_slot *slot = list_entry(node, struct sched_slot, in_slots);
        if (!strcmp(slot->host_name, name))
            settle_slot(scheduler, slot, host);
    }
}

static void remove_host(struct scheduler *scheduler, struct sched_host *host)
{
    settle_slots(scheduler, host->name, NULL);
    list_remove(&host->in_hosts);
    scheduler->host_count--;
    catalog_free(&host->catalog);
    free(host);
}

static struct sched_host *find_owned(const struct scheduler *scheduler, const void *owner)
{
    list_for_each(node, &scheduler->hosts)
    {
        struct sched_host *host = list_entry(node, struct sched_host, in_hosts);
        if (host->owner == owner)
            return host;
    }
    return NULL;
}

static struct sched_host *add_host(struct scheduler *scheduler, const char *name, struct pe_error *err)
{
    struct sched_host *host = calloc(1, sizeof *host);
    if (!host) {
        pe_fail_errno(err, "host '%s'", name);
        return NULL;
    }
    snprintf(host->name, sizeof host->name, "%s", name);
    host->serial = ++scheduler->serials;
    host->drained = find_drained(scheduler, name) != NULL;
    list_init(&host->ready);
    list_append(&scheduler->hosts, &host->in_hosts);
    scheduler->host_count++;
    settle_slots(scheduler, name, host);
    return host;
}

int scheduler_host_hello(struct scheduler *scheduler, const void *owner, const struct pe_hello *hello,
                         struct pe_error *err)
{
    struct catalog catalog;
    if (catalog_load(&catalog, hello->images, err) < 0)
        return pe_fail_context(err, "host '%s'", hello->host);
    struct sched_host *before = find_owned(scheduler, owner);
    if (before && strcmp(before->name, hello->host) != 0)
        remove_host(scheduler, before);
    struct sched_host *host = find_host(scheduler, hello->host);
    if (!host && !(host = add_host(scheduler, hello->host, err))) {
        catalog_free(&catalog);
        return -1;
    }
    catalog_free(&host->catalog);
    host->catalog = catalog;
    host->owner = owner;
    host->vms = hello->vms ? hello->vms : hello->slots;
    host->draining = hello->draining;
    return 0;
}

void scheduler_host_gone(struct scheduler *scheduler, const void *owner)
{
    struct sched_host *host = find_owned(scheduler, owner);
    if (host)
        remove_host(scheduler, host);
}

int scheduler_drain(struct scheduler *scheduler, const char *name, bool drained, struct pe_error *err)
{
    struct sched_host *host = find_host(scheduler, name);
    struct drained *before = find_drained(scheduler, name);
    if (!host && !before)
        return pe_fail(err, PE_ERR_NOT_FOUND, "no host '%s' is connected", name);
    if (drained && !before && add_drained(scheduler, name, err) < 0)
        return -1;
    if (!drained && before)
        remove_drained(scheduler, before);
    if (host)
        host->drained = drained;
    return 0;
}

static bool takes_jobs(const struct sched_host *host)
{
    return !host->draining && !host->drained;
}

bool scheduler_host_lives(const struct scheduler *scheduler, uint64_t serial)
{
    list_for_each(node, &scheduler->hosts)
    {
        if (list_entry(node, struct sched_host, in_hosts)->serial == serial)
            return true;
    }
    return false;
}

/* ---- slots ---- */

void scheduler_slot_add(struct scheduler *scheduler, struct sched_slot *slot)
{
    list_append(&scheduler->slots, &slot->in_slots);
    scheduler->slot_count++;
}

static void unready(struct scheduler *scheduler, struct sched_slot *slot)
{
    if (!list_linked(&slot->in_ready))
        return;
    list_remove(&slot->in_ready);
    scheduler->ready_count--;
}

static void separate(struct scheduler *scheduler, struct sched_slot *slot)
{
    if (!slot->job)
        return;
    if (slot->host)
        slot->host->running--;
    slot->job->slot = NULL;
    slot->job = NULL;
    scheduler->running_count--;
}

void scheduler_slot_ready(struct scheduler *scheduler, struct sched_slot *slot, const char *host,
                          const char *warm)
{
    if (strcmp(slot->warm, warm) != 0)
        snprintf(slot->warm, sizeof slot->warm, "%s", warm);
    if (!list_linked(&slot->in_ready)) {
        list_prepend(slot->host ? &slot->host->ready : &scheduler->homeless, &slot->in_ready);
        scheduler->ready_count++;
    }
    if (slot->host && !strcmp(slot->host_name, host))
        return;
    snprintf(slot->host_name, sizeof slot->host_name, "%s", host);
    settle_slot(scheduler, slot, find_host(scheduler, host));
}

void scheduler_slot_remove(struct scheduler *scheduler, struct sched_slot *slot)
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
static enum fit best_of_host(const struct sched_host *host, const char *image, struct sched_slot **best)
{
    const struct catalog_entry *entry =
        takes_jobs(host) && host->ready.next != &host->ready ? catalog_find(&host->catalog, image) : NULL;
    if (!entry)
        return FIT_NONE;
    bool busy = host->running >= host->vms;
    list_for_each(node, &host->ready)
    {
        *best = list_entry(node, struct sched_slot, in_ready);
        if (!strcmp((*best)->warm, entry->name))
            return busy ? FIT_BUSY_WARM : FIT_WARM;
    }
    *best = list_entry(host->ready.next, struct sched_slot, in_ready);
    return busy ? FIT_BUSY : FIT_COLD;
}

static enum fit best_slot(const struct scheduler *scheduler, const char *image, struct sched_slot **best)
{
    enum fit best_fit = FIT_NONE;
    list_for_each(node, &scheduler->hosts)
    {
        struct sched_slot *slot = NULL;
        enum fit fit = best_of_host(list_entry(node, struct sched_host, in_hosts), image, &slot);
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
    list_for_each(node, &scheduler->hosts)
    {
        const struct catalog_entry *entry =
            catalog_find(&list_entry(node, struct sched_host, in_hosts)->catalog, image);
        if (entry)
            return entry;
    }
    return NULL;
}

static int check_room(const struct scheduler *scheduler, const struct sched_job *job, struct pe_error *err)
{
    struct sched_slot *slot = NULL;
    const struct sched_limits *limits = &scheduler->limits;
    bool full = scheduler->queued_count >= limits->jobs;
    if (!full && job->bytes <= limits->bytes && scheduler->queued_bytes <= limits->bytes - job->bytes)
        return 0;
    if (best_slot(scheduler, job->image, &slot) != FIT_NONE)
        return 0;
    return pe_fail(err, PE_ERR_BUSY, "%zu jobs are waiting already, as many as may%s",
                   scheduler->queued_count, full ? "" : " by their size");
}

int scheduler_submit(struct scheduler *scheduler, struct sched_job *job, bool front, struct pe_error *err)
{
    struct sched_client *client = job->client;
    if (!front && check_room(scheduler, job, err) < 0)
        return -1;
    if (!client->queue.next)
        list_init(&client->queue);
    if (front) {
        list_prepend(&client->queue, &job->in_queue);
        list_remove(&client->in_turns);
        list_prepend(&scheduler->turns, &client->in_turns);
    } else {
        list_append(&client->queue, &job->in_queue);
        if (!list_linked(&client->in_turns))
            list_append(&scheduler->turns, &client->in_turns);
    }
    client->queued++;
    scheduler->queued_count++;
    scheduler->queued_bytes += job->bytes;
    return 0;
}

void scheduler_job_remove(struct scheduler *scheduler, struct sched_job *job)
{
    if (list_linked(&job->in_queue)) {
        list_remove(&job->in_queue);
        if (--job->client->queued == 0)
            list_remove(&job->client->in_turns);
        scheduler->queued_count--;
        scheduler->queued_bytes -= job->bytes;
    }
    if (job->slot)
        separate(scheduler, job->slot);
}

size_t scheduler_jobs_ahead(const struct scheduler *scheduler, const struct sched_client *client)
{
    size_t own = client ? client->queued : 0;
    size_t ahead = own;
    for (const struct list *node = scheduler->turns.next; node && node != &scheduler->turns;
         node = node->next) {
        const struct sched_client *other = list_entry(node, struct sched_client, in_turns);
        if (other != client)
            ahead += other->queued < own + 1 ? other->queued : own + 1;
    }
    return ahead;
}

/* Jobs of its own client in front of it. */
static size_t place_in_queue(const struct sched_job *job)
{
    size_t place = 0;
    list_for_each(node, &job->client->queue)
    {
        if (node == &job->in_queue)
            break;
        place++;
    }
    return place;
}

size_t scheduler_jobs_before(const struct scheduler *scheduler, const struct sched_job *job)
{
    size_t own = place_in_queue(job), before = own;
    size_t turns = own + 1; /* that a client whose turn comes before its own gets until then */
    list_for_each(node, &scheduler->turns)
    {
        const struct sched_client *other = list_entry(node, struct sched_client, in_turns);
        if (other == job->client)
            turns = own;
        else
            before += other->queued < turns ? other->queued : turns;
    }
    return before;
}

size_t scheduler_capacity(const struct scheduler *scheduler)
{
    size_t capacity = 0;
    list_for_each(node, &scheduler->hosts)
    {
        const struct sched_host *host = list_entry(node, struct sched_host, in_hosts);
        if (takes_jobs(host))
            capacity += host->slots < host->vms ? host->slots : host->vms;
    }
    return capacity;
}

/* ---- matching ---- */

/* The job of a client that comes next, and its slot: the first that any ready slot can run, unless a VM is
 * warm for one soon behind it. */
static struct sched_job *next_job(const struct scheduler *scheduler, struct sched_client *client,
                                  struct sched_slot **slot)
{
    struct sched_job *first = NULL;
    int seen = 0;
    for (struct list *node = client->queue.next; node && node != &client->queue; node = node->next) {
        struct sched_job *job = list_entry(node, struct sched_job, in_queue);
        struct sched_slot *best = NULL;
        enum fit fit = best_slot(scheduler, job->image, &best);
        if (fit == FIT_NONE)
            continue;
        if (!first || is_warm(fit)) {
            client->overtaken = first ? client->overtaken + 1 : client->overtaken;
            first = job;
            *slot = best;
        }
        if (is_warm(fit) || client->overtaken >= OVERTAKE_MAX || ++seen >= LOOK_AHEAD)
            break;
    }
    if (first && client->queue.next == &first->in_queue)
        client->overtaken = 0;
    return first;
}

static void join(struct scheduler *scheduler, struct sched_slot *slot, struct sched_job *job)
{
    struct sched_client *client = job->client;
    scheduler_job_remove(scheduler, job);
    if (client->queued) { /* its turn is over */
        list_remove(&client->in_turns);
        list_append(&scheduler->turns, &client->in_turns);
    }
    unready(scheduler, slot);
    slot->job = job;
    job->slot = slot;
    slot->host->running++;
    list_remove(&slot->host->in_hosts);
    list_prepend(&scheduler->hosts, &slot->host->in_hosts);
    scheduler->running_count++;
}

bool scheduler_match(struct scheduler *scheduler, struct sched_slot **slot, struct sched_job **job)
{
    if (scheduler->ready_count == 0)
        return false;
    list_for_each(node, &scheduler->turns)
    {
        *job = next_job(scheduler, list_entry(node, struct sched_client, in_turns), slot);
        if (!*job)
            continue;
        join(scheduler, *slot, *job);
        return true;
    }
    return false;
}
