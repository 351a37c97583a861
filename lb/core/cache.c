/* The LRU. */
#include "lb/core/cache.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { SHARE = 8 }; /* one result may take an eighth of the cache */

struct cache_entry {
    struct job_key key;
    struct list in_use;
    struct outcome *outcome;
    size_t bytes;
    struct job_key request; /* while `image` is set */
    char *image;            /* owned */
};

void cache_init(struct cache *cache, size_t bytes_max)
{
    *cache = (struct cache){.bytes_max = bytes_max};
    list_init(&cache->by_use);
}

static int compare_entries(const void *left, const void *right)
{
    const struct cache_entry *a = left, *b = right;
    return job_key_compare(&a->key, &b->key);
}

static struct cache_entry *find_entry(struct cache *cache, const struct job_key *key)
{
    const struct cache_entry wanted = {.key = *key};
    struct cache_entry *const *found = tfind(&wanted, &cache->tree, compare_entries);
    return found ? *found : NULL;
}

static int compare_requests(const void *left, const void *right)
{
    const struct cache_entry *a = left, *b = right;
    return job_key_compare(&a->request, &b->request);
}

static void forget_request(struct cache *cache, struct cache_entry *entry)
{
    if (entry->image)
        tdelete(entry, &cache->requests, compare_requests);
    free(entry->image);
    entry->image = NULL;
}

static void drop(struct cache *cache, struct cache_entry *entry)
{
    forget_request(cache, entry);
    tdelete(entry, &cache->tree, compare_entries);
    list_remove(&entry->in_use);
    cache->bytes -= entry->bytes;
    cache->count--;
    outcome_unref(entry->outcome);
    free(entry);
}

/* Count what an entry holds now: bodies may have been made from it. */
static void recount(struct cache *cache, struct cache_entry *entry)
{
    size_t bytes = entry->outcome->held + sizeof *entry;
    cache->bytes += bytes - entry->bytes;
    entry->bytes = bytes;
}

/* Make room, but not by dropping the entry used last. */
static void shrink(struct cache *cache)
{
    while (cache->bytes > cache->bytes_max && cache->count > 1) {
        cache->evicted++;
        drop(cache, list_entry(cache->by_use.prev, struct cache_entry, in_use));
    }
}

static struct outcome *use(struct cache *cache, struct cache_entry *entry)
{
    cache->hits++;
    list_remove(&entry->in_use);
    list_prepend(&cache->by_use, &entry->in_use);
    recount(cache, entry);
    shrink(cache);
    return entry->outcome;
}

struct outcome *cache_find(struct cache *cache, const struct job_key *key)
{
    struct cache_entry *entry = find_entry(cache, key);
    if (entry)
        return use(cache, entry);
    cache->misses++;
    return NULL;
}

struct outcome *cache_find_request(struct cache *cache, const struct job_key *request, struct job_key *key,
                                   const char **image)
{
    const struct cache_entry wanted = {.request = *request};
    struct cache_entry *const *found = tfind(&wanted, &cache->requests, compare_requests);
    if (!found)
        return NULL;
    *key = (*found)->key;
    *image = (*found)->image;
    return use(cache, *found);
}

void cache_note_request(struct cache *cache, const struct job_key *key, const struct job_key *request,
                        const char *image)
{
    struct cache_entry *entry = find_entry(cache, key);
    if (!entry)
        return;
    forget_request(cache, entry);
    entry->request = *request;
    const struct cache_entry *const *other = tfind(entry, &cache->requests, compare_requests);
    if (other) /* the request meant another image before, and so another job */
        forget_request(cache, *(struct cache_entry *const *)other);
    entry->image = strdup(image);
    if (entry->image && !tsearch(entry, &cache->requests, compare_requests)) {
        free(entry->image);
        entry->image = NULL;
    }
}

bool cache_takes(const struct cache *cache, size_t size)
{
    return size + sizeof(struct outcome) + sizeof(struct cache_entry) <= cache->bytes_max / SHARE;
}

void cache_put(struct cache *cache, const struct job_key *key, struct outcome *outcome)
{
    struct cache_entry *entry = find_entry(cache, key);
    if (entry)
        drop(cache, entry);
    if (!cache_takes(cache, outcome->held) || !(entry = malloc(sizeof *entry)))
        return;
    *entry = (struct cache_entry){.key = *key, .bytes = outcome->held + sizeof *entry};
    if (!tsearch(entry, &cache->tree, compare_entries)) {
        free(entry);
        return;
    }
    entry->outcome = outcome_ref(outcome);
    list_prepend(&cache->by_use, &entry->in_use);
    cache->bytes += entry->bytes;
    cache->count++;
    shrink(cache);
}
