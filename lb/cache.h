/* Results in memory, by job: byte-bounded, the one unused for longest goes first. */
#ifndef PE_LB_CACHE_H
#define PE_LB_CACHE_H

#include "lb/job_key.h"
#include "lb/list.h"
#include "lb/outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache {
    void *tree;         /* tsearch(3), by key */
    struct list by_use; /* the one used last comes first */
    size_t bytes, bytes_max, count;
    uint64_t hits, misses, evicted;
};

/* `bytes_max` 0: nothing is kept. */
void cache_init(struct cache *cache, size_t bytes_max);

/* The result of a job, or NULL. A reference of the cache's, for the caller to take one of its own. */
struct outcome *cache_find(struct cache *cache, const struct job_key *key);

/* Whether a result of this many bytes may be kept: one must not push out everything else. */
bool cache_takes(const struct cache *cache, size_t size);

/* Keep a complete outcome, in place of what there may be. Without memory it is not kept. */
void cache_put(struct cache *cache, const struct job_key *key, struct outcome *outcome);

#endif
