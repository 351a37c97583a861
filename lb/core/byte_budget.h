/* SPDX-License-Identifier: Apache-2.0 */
/* A bound on the memory of results that are held only because clients read them slowly. When it is
 * exceeded, the readers that began first are cut off until enough memory is about to be freed. */
#ifndef PE_LB_CORE_BYTE_BUDGET_H
#define PE_LB_CORE_BYTE_BUDGET_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A response that is sent in pieces. Embedded in its owner's struct; zero-initialised it
 * counts as no reader. */
struct budget_reader {
    struct pe_list in_readers;
    size_t holds;     /* bytes of its own, besides the result: pieces that are encoded */
    size_t releasing; /* bytes that will be freed with this reader, once it was cut off */

    /* Cut this reader off. It must end from the event loop, not inside this call. Returns the
     * number of bytes of results that will be freed with it. */
    size_t (*cut_off)(struct budget_reader *reader);
};

struct byte_budget {
    size_t used;            /* bytes of all results, the account of job_result_new(), and what readers hold */
    size_t max;             /* bytes that results outside of the cache may use */
    const size_t *in_cache; /* bytes of those that the cache holds */
    size_t releasing;       /* bytes that will be freed once the aborted responses have ended */
    struct pe_list readers; /* the first one began first */
    uint64_t shed;          /* readers that were cut off */
};

/* `in_cache` must outlive `budget`, which must stay where it is. */
void byte_budget_init(struct byte_budget *budget, size_t max, const size_t *in_cache);

/* A response has started. From now on it may be cut off, with the function of that name. */
void byte_budget_add(struct byte_budget *budget, struct budget_reader *reader,
                     size_t (*cut_off)(struct budget_reader *reader));

/* The reader now holds so many bytes of its own. It need not have been added. */
void byte_budget_hold(struct byte_budget *budget, struct budget_reader *reader, size_t bytes);

/* The reader has ended. Does nothing for one that was never added. */
void byte_budget_remove(struct byte_budget *budget, struct budget_reader *reader);

/* Whether `bytes` more would fit without cutting anybody off. */
bool byte_budget_has_room(const struct byte_budget *budget, size_t bytes);

/* Results have grown: cut readers off if there is too much memory in use. */
void byte_budget_enforce(struct byte_budget *budget);

#endif
