/* Results in memory, by job: byte-bounded, the one unused for longest goes first. A result is also found by
 * the request that asked for it last, byte for byte, without reading that as a job first. */
#ifndef PE_LB_CORE_CACHE_H
#define PE_LB_CORE_CACHE_H

#include "base/list.h"
#include "lb/core/job_key.h"
#include "lb/core/job_result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache {
    void *by_body;      /* tsearch(3), by request */
    void *tree;         /* tsearch(3), by key */
    struct list by_use; /* the one used last comes first */
    size_t bytes, bytes_max, count;
    uint64_t hits, misses, evicted;
};

/* `bytes_max` 0: nothing is kept. */
void cache_init(struct cache *cache, size_t bytes_max);

/* The result of a job, or NULL. A reference of the cache's, for the caller to take one of its own. */
struct job_result *cache_find(struct cache *cache, const struct job_key *key);

/* The result that a request with this hash asked for before; `key` is its job's, `image` the reference it
 * named. That this means the same image as then is the caller's to check. */
struct job_result *cache_find_by_body(struct cache *cache, const struct job_key *body_hash,
                                      struct job_key *key, const char **image);

/* Remember the request for a job whose result is here. */
void cache_note_body(struct cache *cache, const struct job_key *key, const struct job_key *body_hash,
                     const char *image);

/* Whether a result of this many bytes may be kept: one must not push out everything else. */
bool cache_accepts(const struct cache *cache, size_t size);

/* Keep a complete outcome, in place of what there may be. Without memory it is not kept. */
void cache_put(struct cache *cache, const struct job_key *key, struct job_result *result);

#endif
