/* The queue, the ready slots and the hosts, and how they are matched. */
#include "lb/scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void scheduler_init(struct scheduler *scheduler, size_t queue_max)
{
    *scheduler = (struct scheduler){.queue_max = queue_max};
    list_init(&scheduler->hosts);
    list_init(&scheduler->slots);
    list_init(&scheduler->ready);
    list_init(&scheduler->queue);
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

/* Point the slots of this name to their host, or away from it. */
static void link_slots(struct scheduler *scheduler, const char *name, struct sched_host *host)
{
    list_for_each(node, &scheduler->slots)
    {
        struct sched_slot *slot = list_entry(node, struct sched_slot, in_slots);
        if (!strcmp(slot->host_name, name))
            slot->host = host;
    }
}

static void remove_host(struct scheduler *scheduler, struct sched_host *host)
{
    link_slots(scheduler, host->name, NULL);
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
    list_append(&scheduler->hosts, &host->in_hosts);
    scheduler->host_count++;
    link_slots(scheduler, name, host);
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
    return 0;
}

void scheduler_host_gone(struct scheduler *scheduler, const void *owner)
{
    struct sched_host *host = find_owned(scheduler, owner);
    if (host)
        remove_host(scheduler, host);
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
    slot->job->slot = NULL;
    slot->job = NULL;
    scheduler->running_count--;
}

void scheduler_slot_ready(struct scheduler *scheduler, struct sched_slot *slot, const char *host,
                          const char *warm)
{
    snprintf(slot->host_name, sizeof slot->host_name, "%s", host);
    snprintf(slot->warm, sizeof slot->warm, "%s", warm);
    slot->host = find_host(scheduler, host);
    if (list_linked(&slot->in_ready))
        return;
    list_append(&scheduler->ready, &slot->in_ready);
    scheduler->ready_count++;
}

void scheduler_slot_remove(struct scheduler *scheduler, struct sched_slot *slot)
{
    unready(scheduler, slot);
    separate(scheduler, slot);
    if (!list_linked(&slot->in_slots))
        return;
    list_remove(&slot->in_slots);
    scheduler->slot_count--;
}

/* ---- choosing a slot ---- */

static bool better(const struct sched_slot *slot, bool warm, const struct sched_slot *best, bool best_warm)
{
    if (!best || warm != best_warm)
        return !best || warm;
    return slot->host->used_at > best->host->used_at;
}

static struct sched_slot *best_slot(const struct scheduler *scheduler, const char *image)
{
    struct sched_slot *best = NULL;
    bool best_warm = false;
    list_for_each(node, &scheduler->ready)
    {
        struct sched_slot *slot = list_entry(node, struct sched_slot, in_ready);
        const struct catalog_entry *entry = slot->host ? catalog_find(&slot->host->catalog, image) : NULL;
        if (!entry)
            continue;
        bool warm = !strcmp(slot->warm, entry->name);
        if (better(slot, warm, best, best_warm)) {
            best = slot;
            best_warm = warm;
        }
    }
    return best;
}

/* ---- jobs ---- */

enum sched_chance scheduler_chance(const struct scheduler *scheduler, const char *image)
{
    list_for_each(node, &scheduler->hosts)
    {
        if (catalog_find(&list_entry(node, struct sched_host, in_hosts)->catalog, image))
            return SCHED_IMAGE_KNOWN;
    }
    return scheduler->host_count ? SCHED_IMAGE_UNKNOWN : SCHED_NO_HOST;
}

int scheduler_submit(struct scheduler *scheduler, struct sched_job *job, bool front, struct pe_error *err)
{
    if (front) {
        list_prepend(&scheduler->queue, &job->in_queue);
    } else {
        if (scheduler->queued_count >= scheduler->queue_max && !best_slot(scheduler, job->image))
            return pe_fail(err, PE_ERR_BUSY, "%zu jobs are waiting already, as many as may",
                           scheduler->queued_count);
        list_append(&scheduler->queue, &job->in_queue);
    }
    scheduler->queued_count++;
    return 0;
}

void scheduler_job_remove(struct scheduler *scheduler, struct sched_job *job)
{
    if (list_linked(&job->in_queue)) {
        list_remove(&job->in_queue);
        scheduler->queued_count--;
    }
    if (job->slot)
        separate(scheduler, job->slot);
}

/* ---- matching ---- */

bool scheduler_match(struct scheduler *scheduler, struct sched_slot **slot, struct sched_job **job)
{
    if (scheduler->ready_count == 0)
        return false;
    list_for_each(node, &scheduler->queue)
    {
        *job = list_entry(node, struct sched_job, in_queue);
        *slot = best_slot(scheduler, (*job)->image);
        if (!*slot)
            continue;
        scheduler_job_remove(scheduler, *job);
        unready(scheduler, *slot);
        (*slot)->job = *job;
        (*job)->slot = *slot;
        (*slot)->host->used_at = ++scheduler->started;
        scheduler->running_count++;
        return true;
    }
    return false;
}
