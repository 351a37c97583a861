/* The LRU. */
#include "lb/cache.h"

#include <search.h>
#include <stdlib.h>

enum { SHARE = 8 }; /* one result may take an eighth of the cache */

struct cache_entry {
    struct job_key key;
    struct list in_use;
    struct outcome *outcome;
    size_t bytes;
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

static void drop(struct cache *cache, struct cache_entry *entry)
{
    tdelete(entry, &cache->tree, compare_entries);
    list_remove(&entry->in_use);
    cache->bytes -= entry->bytes;
    cache->count--;
    outcome_unref(entry->outcome);
    free(entry);
}

struct outcome *cache_find(struct cache *cache, const struct job_key *key)
{
    struct cache_entry *entry = find_entry(cache, key);
    if (!entry) {
        cache->misses++;
        return NULL;
    }
    cache->hits++;
    list_remove(&entry->in_use);
    list_prepend(&cache->by_use, &entry->in_use);
    return entry->outcome;
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
    while (cache->bytes > cache->bytes_max) {
        cache->evicted++;
        drop(cache, list_entry(cache->by_use.prev, struct cache_entry, in_use));
    }
}
