/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of the most recent entries. Poison is rare, so a linear search is cheap enough. */
#include "lb/core/poison.h"

void poison_remember(struct poison *poison, const struct job_key *key, uint64_t until_us)
{
    size_t at = poison->count++ % POISON_MAX;
    poison->jobs[at].key = *key;
    poison->jobs[at].until_us = until_us;
}

bool poison_holds(const struct poison *poison, const struct job_key *key, uint64_t now_us)
{
    size_t filled = poison->count < POISON_MAX ? poison->count : POISON_MAX;
    for (size_t i = 0; i < filled; i++)
        if (poison->jobs[i].until_us > now_us && job_key_compare(&poison->jobs[i].key, key) == 0)
            return true;
    return false;
}
