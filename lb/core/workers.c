/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of a scheduler: what their registrations claim, which of them are away, and which an
 * operator took out of service. Which jobs they get is decided in scheduler.c. */
#include "lb/core/scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DRAINED_MAX = 4096,
    AWAY_MAX = 256, /* workers that are away at a time */
};

/* ---- workers that an operator took out of service ---- */

struct drained {
    struct pe_list in_drained;
    char name[256];
};

static struct drained *find_drained(const struct scheduler *scheduler, const char *name)
{
    pe_list_for_each(node, &scheduler->drained)
    {
        struct drained *drained = pe_list_entry(node, struct drained, in_drained);
        if (!strcmp(drained->name, name))
            return drained;
    }
    return NULL;
}

static int add_drained(struct scheduler *scheduler, const char *name, struct pe_error *err)
{
    if (scheduler->drained_count == DRAINED_MAX)
        return pe_fail(err, PE_ERR_BUSY, "%d workers are drained already; no more can be", DRAINED_MAX);
    struct drained *drained = calloc(1, sizeof *drained);
    if (!drained)
        return pe_fail_errno(err, "cannot drain worker '%s'", name);
    snprintf(drained->name, sizeof drained->name, "%s", name);
    pe_list_append(&scheduler->drained, &drained->in_drained);
    scheduler->drained_count++;
    return 0;
}

static void remove_drained(struct scheduler *scheduler, struct drained *drained)
{
    pe_list_remove(&drained->in_drained);
    scheduler->drained_count--;
    free(drained);
}

/* ---- what registrations claim ---- */

static void free_claim(struct worker_claim *claim)
{
    pe_list_remove(&claim->in_claims);
    catalog_free(&claim->catalog);
    free(claim);
}

static struct worker_claim *make_claim(struct scheduler *scheduler, const void *owner,
                                       const struct pe_hello *hello, struct pe_error *err)
{
    struct worker_claim *claim = calloc(1, sizeof *claim);
    if (!claim) {
        pe_fail_errno(err, "cannot register worker '%s'", hello->host);
        return NULL;
    }
    if (catalog_load(&claim->catalog, hello->images, err) < 0) {
        pe_fail_context(err, "worker '%s'", hello->host);
        free(claim);
        return NULL;
    }
    claim->owner = owner;
    claim->serial = ++scheduler->serials;
    claim->isolation = hello->isolation;
    claim->trusted = hello->trusted;
    snprintf(claim->owner_id, sizeof claim->owner_id, "%s", hello->owner);
    claim->vms = hello->vms ? hello->vms : hello->slots;
    claim->draining = hello->draining;
    claim->is_live = hello->live >= PE_LIVE_VERSION;
    return claim;
}

/* The claim of a registration, and the worker that it is about; NULL if it has made none. */
static struct worker_claim *find_claim(const struct scheduler *scheduler, const void *owner,
                                       struct worker **worker)
{
    pe_list_for_each(node, &scheduler->workers)
    {
        *worker = pe_list_entry(node, struct worker, in_workers);
        pe_list_for_each(place, &(*worker)->claims)
        {
            struct worker_claim *claim = pe_list_entry(place, struct worker_claim, in_claims);
            if (claim->owner == owner)
                return claim;
        }
    }
    return NULL;
}

/* A registration that is open counts more than one that has left, and one whose process goes on counts
 * more than one whose process is about to stop. */
static int rank(const struct worker_claim *claim)
{
    return !claim->owner ? 0 : claim->draining ? 1 : 2;
}

/* ---- workers ---- */

struct worker *scheduler_find_worker(const struct scheduler *scheduler, const char *name)
{
    pe_list_for_each(node, &scheduler->workers)
    {
        struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        if (!strcmp(worker->name, name))
            return worker;
    }
    return NULL;
}

void scheduler_slot_assign(struct scheduler *scheduler, struct slot *slot, struct worker *worker)
{
    const bool is_ready = pe_list_linked(&slot->in_ready);
    if (slot->worker) {
        slot->worker->slots--;
        slot->worker->running -= slot->entry != NULL;
        slot->worker->elsewhere -= slot->is_elsewhere;
        scheduler->ready_count -= is_ready;
    }
    slot->worker = worker;
    if (worker) {
        worker->slots++;
        worker->running += slot->entry != NULL;
        worker->elsewhere += slot->is_elsewhere;
        scheduler->ready_count += is_ready;
    }
    if (is_ready) {
        pe_list_remove(&slot->in_ready);
        pe_list_prepend(worker ? &worker->ready : &scheduler->unassigned, &slot->in_ready);
    }
}

static void assign_slots(struct scheduler *scheduler, const char *name, struct worker *worker)
{
    pe_list_for_each(node, &scheduler->slots)
    {
        struct slot *slot = pe_list_entry(node, struct slot, in_slots);
        if (!strcmp(slot->worker_name, name))
            scheduler_slot_assign(scheduler, slot, worker);
    }
}

static size_t count_away(const struct scheduler *scheduler)
{
    size_t count = 0;
    pe_list_for_each(node, &scheduler->workers)
    {
        count += scheduler_worker_is_away(pe_list_entry(node, struct worker, in_workers));
    }
    return count;
}

static void remove_worker(struct scheduler *scheduler, struct worker *worker)
{
    assign_slots(scheduler, worker->name, NULL);
    while (worker->claims.next != &worker->claims)
        free_claim(pe_list_entry(worker->claims.next, struct worker_claim, in_claims));
    pe_list_remove(&worker->in_workers);
    scheduler->known_count--;
    free(worker);
}

/* Choose the claim that counts: of equal rank, the oldest one. A worker without any is removed. */
static void settle(struct scheduler *scheduler, struct worker *worker)
{
    struct worker_claim *best = NULL;
    scheduler->catalog_serial++;
    pe_list_for_each(node, &worker->claims)
    {
        struct worker_claim *claim = pe_list_entry(node, struct worker_claim, in_claims);
        if (!best || rank(claim) > rank(best))
            best = claim;
    }
    worker->claim = best;
    if (!best)
        remove_worker(scheduler, worker);
    scheduler->worker_count = scheduler->known_count - count_away(scheduler);
}

static struct worker *add_worker(struct scheduler *scheduler, const char *name, struct pe_error *err)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        pe_fail_errno(err, "cannot register worker '%s'", name);
        return NULL;
    }
    snprintf(worker->name, sizeof worker->name, "%s", name);
    worker->drained = find_drained(scheduler, name) != NULL;
    pe_list_init(&worker->claims);
    pe_list_init(&worker->ready);
    pe_list_append(&scheduler->workers, &worker->in_workers);
    scheduler->known_count++;
    assign_slots(scheduler, name, worker);
    return worker;
}

/* Add a claim to its worker. What the same registration claimed before, and what a registration that
 * has left claimed about the same worker, is forgotten. */
static void enter(struct worker *worker, struct worker_claim *claim, struct worker_claim *before)
{
    if (before) {
        claim->serial = before->serial;
        pe_list_insert_before(&before->in_claims, &claim->in_claims);
        free_claim(before);
        return;
    }
    if (worker->claim && !worker->claim->owner)
        free_claim(worker->claim);
    pe_list_append(&worker->claims, &claim->in_claims);
}

/* What all catalogs need, except for that of one claim, which is about to be replaced. */
static size_t catalog_bytes(const struct scheduler *scheduler, const struct worker_claim *except)
{
    size_t bytes = 0;
    pe_list_for_each(node, &scheduler->workers)
    {
        pe_list_for_each(place, &pe_list_entry(node, struct worker, in_workers)->claims)
        {
            const struct worker_claim *claim = pe_list_entry(place, struct worker_claim, in_claims);
            bytes += claim == except ? 0 : claim->catalog.bytes;
        }
    }
    return bytes;
}

int scheduler_worker_hello(struct scheduler *scheduler, const void *owner, const struct pe_hello *hello,
                           struct pe_error *err)
{
    struct worker *other = NULL;
    struct worker_claim *claim = make_claim(scheduler, owner, hello, err);
    if (!claim)
        return -1;
    struct worker_claim *before = find_claim(scheduler, owner, &other);
    if (catalog_bytes(scheduler, before) + claim->catalog.bytes > scheduler->catalog_bytes_max) {
        free_claim(claim);
        return pe_fail(err, PE_ERR_BUSY, "the images of all workers together need over %zu MiB of memory",
                       scheduler->catalog_bytes_max >> 20);
    }
    if (before && strcmp(other->name, hello->host) != 0) {
        free_claim(before);
        before = NULL;
        settle(scheduler, other);
    }
    struct worker *worker = scheduler_find_worker(scheduler, hello->host);
    if (!worker && !(worker = add_worker(scheduler, hello->host, err))) {
        free_claim(claim);
        return -1;
    }
    enter(worker, claim, before);
    settle(scheduler, worker);
    return 0;
}

bool scheduler_worker_counts(const struct scheduler *scheduler, const void *owner)
{
    struct worker *worker = NULL;
    const struct worker_claim *claim = find_claim(scheduler, owner, &worker);
    return claim && worker->claim == claim;
}

void scheduler_worker_gone(struct scheduler *scheduler, const void *owner)
{
    struct worker *worker = NULL;
    struct worker_claim *claim = find_claim(scheduler, owner, &worker);
    if (!claim)
        return;
    free_claim(claim);
    settle(scheduler, worker);
}

bool scheduler_worker_lost(struct scheduler *scheduler, const void *owner, uint64_t until_us)
{
    struct worker *worker = NULL;
    struct worker_claim *claim = find_claim(scheduler, owner, &worker);
    bool is_only = claim && worker->claims.next == worker->claims.prev;
    if (!is_only || claim->draining || count_away(scheduler) >= AWAY_MAX) {
        scheduler_worker_gone(scheduler, owner);
        return false;
    }
    claim->owner = NULL;
    worker->away_until_us = until_us;
    settle(scheduler, worker);
    return true;
}

uint64_t scheduler_forget_away(struct scheduler *scheduler, uint64_t now_us)
{
    uint64_t first = 0;
    for (struct pe_list *node = scheduler->workers.next, *next; node != &scheduler->workers; node = next) {
        struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        next = node->next; /* forgetting a worker calls nobody */
        if (!scheduler_worker_is_away(worker))
            continue;
        if (worker->away_until_us <= now_us) {
            free_claim(worker->claim);
            settle(scheduler, worker);
        } else if (!first || worker->away_until_us < first) {
            first = worker->away_until_us;
        }
    }
    return first;
}

bool scheduler_worker_is_away(const struct worker *worker)
{
    return worker->claim && !worker->claim->owner;
}

int scheduler_drain(struct scheduler *scheduler, const char *name, bool drained, struct pe_error *err)
{
    struct worker *worker = scheduler_find_worker(scheduler, name);
    struct drained *before = find_drained(scheduler, name);
    if (!worker && !before)
        return pe_fail(err, PE_ERR_NOT_FOUND, "no worker '%s' is connected", name);
    if (drained && !before && add_drained(scheduler, name, err) < 0)
        return -1;
    if (!drained && before)
        remove_drained(scheduler, before);
    if (worker)
        worker->drained = drained;
    return 0;
}

bool scheduler_worker_lives(const struct scheduler *scheduler, uint64_t serial)
{
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct worker_claim *claim = pe_list_entry(node, struct worker, in_workers)->claim;
        if (claim->owner && claim->serial == serial)
            return true;
    }
    return false;
}
