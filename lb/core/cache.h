/* SPDX-License-Identifier: Apache-2.0 */
/* Results in memory, by the key of their job. The number of bytes is bounded; the result that
 * was not used for longest is evicted first. A result is also found by the hash of the last
 * request body that asked for it, so that an identical request is answered without being parsed. */
#ifndef PE_LB_CORE_CACHE_H
#define PE_LB_CORE_CACHE_H

#include "base/list.h"
#include "lb/core/job_key.h"
#include "lb/core/job_result.h"
#include "proto/isolation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache {
    void *by_body;         /* tsearch(3), by hash of the request body */
    void *tree;            /* tsearch(3), by key */
    struct pe_list by_use; /* the one that was used last comes first */
    size_t bytes, bytes_max, count;
    uint64_t age_max_s; /* of results; an older one is found no more. 0: no limit */
    uint64_t hits, misses, evicted;
};

/* With `bytes_max` 0 nothing is kept. */
void cache_init(struct cache *cache, size_t bytes_max);

/* The result of a job, or NULL if there is none, or one that was made with another isolation than
 * the job demands. The reference stays the cache's: take another one to keep the result. */
struct job_result *cache_find(struct cache *cache, const struct job_key *key, struct pe_isolation_set demand);

/* What a request asked for whose body hash is remembered. */
struct body_request {
    const char *image;              /* the image reference in it */
    const char *identity;           /* of the catalog entry that the reference meant (lb/core/catalog.h) */
    struct pe_isolation_set demand; /* which its result fulfils */
};

/* The result that a request with this body hash received before, or NULL. `key` is set to the key of
 * its job, and `request` to what it asked for; its texts are the cache's, and valid until the cache
 * changes. The caller must check that the reference still means an entry of this identity: another
 * one can have the same root file system and another environment or command. */
struct job_result *cache_find_by_body(struct cache *cache, const struct job_key *body_hash,
                                      struct job_key *key, struct body_request *request);

/* Remember the body hash of a request for a job whose result is in the cache and was an answer to
 * it. A result that replaces this one is not found by the hash. */
void cache_note_body(struct cache *cache, const struct job_key *key, const struct job_key *body_hash,
                     const struct body_request *request);

/* Whether a result of `size` bytes may be kept. One result must not evict all others. */
bool cache_accepts(const struct cache *cache, size_t size);

/* Keep a complete result, and take a reference. An older result of the job is replaced. Without
 * memory, nothing is kept. */
void cache_put(struct cache *cache, const struct job_key *key, struct job_result *result);

/* Forget the results that are too old. */
void cache_expire(struct cache *cache);

/* Forget the result of a job, if there is one. */
void cache_remove(struct cache *cache, const struct job_key *key);

/* Forget all results, for a test that looks for leaks. The cache of a balancer lasts as long as its process.
 */
void cache_free(struct cache *cache);

#endif
