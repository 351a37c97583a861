/* SPDX-License-Identifier: Apache-2.0 */
/* The least-recently-used list and its two indexes. */
#include "lb/core/cache.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARE = 8 }; /* one result may use an eighth of the cache */

struct cache_entry {
    struct job_key key;
    struct pe_list in_use;
    struct job_result *result;
    size_t bytes;
    struct job_key body_hash;       /* while `image` is set */
    char *image;                    /* owned */
    struct pe_isolation_set demand; /* of that request */
    char identity[65];              /* of the catalog entry that the reference meant */
};

void cache_init(struct cache *cache, size_t bytes_max)
{
    *cache = (struct cache){.bytes_max = bytes_max};
    pe_list_init(&cache->by_use);
}

static int compare_entries(const void *left, const void *right)
{
    const struct cache_entry *a = left, *b = right;
    return job_key_compare(&a->key, &b->key);
}

static bool is_too_old(const struct cache *cache, const struct cache_entry *entry)
{
    return job_result_is_older(entry->result->stored_at, cache->age_max_s);
}

static struct cache_entry *find_entry(struct cache *cache, const struct job_key *key)
{
    const struct cache_entry wanted = {.key = *key};
    struct cache_entry *const *found = tfind(&wanted, &cache->tree, compare_entries);
    return found ? *found : NULL;
}

static int compare_bodies(const void *left, const void *right)
{
    const struct cache_entry *a = left, *b = right;
    return job_key_compare(&a->body_hash, &b->body_hash);
}

static void forget_body(struct cache *cache, struct cache_entry *entry)
{
    if (entry->image)
        tdelete(entry, &cache->by_body, compare_bodies);
    free(entry->image);
    entry->image = NULL;
}

static void drop(struct cache *cache, struct cache_entry *entry)
{
    forget_body(cache, entry);
    tdelete(entry, &cache->tree, compare_entries);
    pe_list_remove(&entry->in_use);
    cache->bytes -= entry->bytes;
    cache->count--;
    entry->result->in_cache = false;
    job_result_unref(entry->result);
    free(entry);
}

/* Update the size of an entry. It grows when response bodies are rendered from it. */
static void recount(struct cache *cache, struct cache_entry *entry)
{
    size_t bytes = entry->result->held + sizeof *entry;
    cache->bytes += bytes - entry->bytes;
    entry->bytes = bytes;
}

/* Evict entries until the cache is within its bound. The entry that was used last stays. */
static void shrink(struct cache *cache)
{
    while (cache->bytes > cache->bytes_max && cache->count > 1) {
        cache->evicted++;
        drop(cache, pe_list_entry(cache->by_use.prev, struct cache_entry, in_use));
    }
}

static struct job_result *use(struct cache *cache, struct cache_entry *entry)
{
    cache->hits++;
    pe_list_remove(&entry->in_use);
    pe_list_prepend(&cache->by_use, &entry->in_use);
    recount(cache, entry);
    shrink(cache);
    return entry->result;
}

struct job_result *cache_find(struct cache *cache, const struct job_key *key, struct pe_isolation_set demand)
{
    struct cache_entry *entry = find_entry(cache, key);
    if (entry && is_too_old(cache, entry)) {
        drop(cache, entry);
        entry = NULL;
    }
    if (entry &&
        pe_demand_accepts(demand, entry->result->fields.isolation, entry->result->fields.trusted_host))
        return use(cache, entry);
    cache->misses++;
    return NULL;
}

struct job_result *cache_find_by_body(struct cache *cache, const struct job_key *body_hash,
                                      struct job_key *key, struct body_request *request)
{
    const struct cache_entry wanted = {.body_hash = *body_hash};
    struct cache_entry *const *found = tfind(&wanted, &cache->by_body, compare_bodies);
    if (!found || is_too_old(cache, *found))
        return NULL;
    *key = (*found)->key;
    *request = (struct body_request){
        .image = (*found)->image, .identity = (*found)->identity, .demand = (*found)->demand};
    return use(cache, *found);
}

void cache_note_body(struct cache *cache, const struct job_key *key, const struct job_key *body_hash,
                     const struct body_request *request)
{
    struct cache_entry *entry = find_entry(cache, key);
    if (!entry)
        return;
    forget_body(cache, entry);
    entry->body_hash = *body_hash;
    entry->demand = request->demand;
    snprintf(entry->identity, sizeof entry->identity, "%s", request->identity);
    const struct cache_entry *const *other = tfind(entry, &cache->by_body, compare_bodies);
    if (other) /* the same body belonged to another job, because its image reference meant another image */
        forget_body(cache, *(struct cache_entry *const *)other);
    entry->image = strdup(request->image);
    if (entry->image && !tsearch(entry, &cache->by_body, compare_bodies)) {
        free(entry->image);
        entry->image = NULL;
    }
}

bool cache_accepts(const struct cache *cache, size_t size)
{
    return size + sizeof(struct job_result) + sizeof(struct cache_entry) <= cache->bytes_max / SHARE;
}

void cache_put(struct cache *cache, const struct job_key *key, struct job_result *result)
{
    struct cache_entry *entry = find_entry(cache, key);
    if (entry)
        drop(cache, entry);
    if (!cache_accepts(cache, result->held) || !(entry = malloc(sizeof *entry)))
        return;
    *entry = (struct cache_entry){.key = *key, .bytes = result->held + sizeof *entry};
    if (!tsearch(entry, &cache->tree, compare_entries)) {
        free(entry);
        return;
    }
    entry->result = job_result_ref(result);
    result->in_cache = true;
    pe_list_prepend(&cache->by_use, &entry->in_use);
    cache->bytes += entry->bytes;
    cache->count++;
    shrink(cache);
}

void cache_expire(struct cache *cache)
{
    for (struct pe_list *node = cache->by_use.next, *next; node != &cache->by_use; node = next) {
        struct cache_entry *entry = pe_list_entry(node, struct cache_entry, in_use);
        next = node->next;
        if (is_too_old(cache, entry))
            drop(cache, entry);
    }
}

void cache_remove(struct cache *cache, const struct job_key *key)
{
    struct cache_entry *entry = find_entry(cache, key);
    if (entry)
        drop(cache, entry);
}

void cache_free(struct cache *cache)
{
    while (cache->by_use.next != &cache->by_use)
        drop(cache, pe_list_entry(cache->by_use.next, struct cache_entry, in_use));
}
