/* SPDX-License-Identifier: Apache-2.0 */
/* Claims by name. */
#include "tests/model/known.h"

#include "tests/model/balancer.h"
#include "tests/model/clock.h"

#include <string.h>

struct known known[NAMES];
static uint64_t serials;

void known_reset(void)
{
    memset(known, 0, sizeof known);
}

static void remove_claim(struct known *worker, unsigned at)
{
    memmove(worker->claims + at, worker->claims + at + 1, (worker->count - at - 1) * sizeof *worker->claims);
    worker->count--;
}

static struct known *find(const void *owner, unsigned *at)
{
    for (unsigned name = 0; name < NAMES; name++)
        for (*at = 0; *at < known[name].count; (*at)++)
            if (known[name].claims[*at].owner == owner)
                return &known[name];
    return NULL;
}

void known_hello(const void *owner, unsigned name, const struct offer *offer)
{
    struct known *worker = &known[name];
    unsigned at = 0;
    struct known *before = find(owner, &at);
    if (before == worker) {
        worker->claims[at].offer = *offer;
        return;
    }
    if (before)
        remove_claim(before, at);
    if (worker->count && !worker->claims[0].owner)
        remove_claim(worker, 0); /* the worker has returned */
    EXPECT(worker->count < CLAIMS, "the model has too little room");
    worker->claims[worker->count++] = (struct claim){.owner = owner, .serial = ++serials, .offer = *offer};
}

void known_ended(const void *owner, bool is_lost)
{
    unsigned at = 0;
    struct known *worker = find(owner, &at);
    if (!worker)
        return;
    if (is_lost && worker->count == 1 && !worker->claims[0].offer.draining && options.away_us) {
        worker->claims[0].owner = NULL;
        worker->away_until_us = clock_us + options.away_us;
    } else {
        remove_claim(worker, at);
    }
}

bool known_is_away(unsigned name)
{
    return known[name].count && !known[name].claims[0].owner;
}

void known_sync(void)
{
    for (unsigned name = 0; name < NAMES; name++) {
        const struct known *worker = &known[name];
        if (!known_is_away(name) || clock_us < worker->away_until_us)
            continue;
        if (!scheduler_find_worker(&balancer.scheduler, name_of_host(name)))
            remove_claim(&known[name], 0);
        else
            EXPECT(clock_us <= worker->away_until_us + PRECISION_US, "worker %u is away for too long", name);
    }
}

static int rank(const struct claim *claim)
{
    return !claim->owner ? 0 : claim->offer.draining ? 1 : 2;
}

const struct claim *known_claim(unsigned name)
{
    const struct claim *best = NULL;
    for (unsigned i = 0; i < known[name].count; i++)
        if (!best || rank(&known[name].claims[i]) > rank(best))
            best = &known[name].claims[i];
    return best;
}

unsigned known_count(void)
{
    unsigned count = 0;
    for (unsigned name = 0; name < NAMES; name++)
        count += known[name].count > 0;
    return count;
}

unsigned known_variant(unsigned name, unsigned image, struct pe_isolation_set demand)
{
    const struct claim *claim = known_claim(name);
    return claim && pe_isolation_accepted(demand, claim->offer.isolation) ? claim->offer.variants[image] : 0;
}

unsigned known_variants(unsigned image, struct pe_isolation_set demand)
{
    unsigned bits = 0;
    for (unsigned name = 0; name < NAMES; name++)
        bits |= 1u << known_variant(name, image, demand);
    return bits & ~1u;
}

bool known_has_live(unsigned image, struct pe_isolation_set demand)
{
    for (unsigned name = 0; name < NAMES; name++)
        if (known_variant(name, image, demand) && known_claim(name)->offer.is_live)
            return true;
    return false;
}

bool known_takes_jobs(unsigned name)
{
    const struct claim *claim = known_claim(name);
    return claim && !claim->offer.draining && !known[name].is_drained;
}

bool known_lives(uint64_t serial)
{
    for (unsigned name = 0; name < NAMES; name++) {
        const struct claim *claim = known_claim(name);
        if (claim && claim->owner && claim->serial == serial)
            return true;
    }
    return false;
}
