/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from the loss of tries: deaths, and jobs that are held back. */
#include "tests/model/book.h"

#include "tests/model/clock.h"
#include "tests/model/known.h"

enum { HELD_MAX = 256 };

static struct held {
    struct work work;
    unsigned variants;
    bool is_sure;
    uint64_t until_us;
} held[HELD_MAX];
static unsigned held_count;
static uint64_t lost_count;

void losses_reset(void)
{
    held_count = 0;
    lost_count = 0;
}

void book_add_loss(struct group *group, struct loss loss)
{
    group->losses[group->lost++] = loss;
    lost_count++;
}

void losses_check_counters(const struct metrics *metrics)
{
    EXPECT(metrics->lost == lost_count, "%llu tries were lost, not %llu", (unsigned long long)lost_count,
           (unsigned long long)metrics->lost);
    EXPECT(metrics->poisoned == held_count, "%u jobs were held back, not %llu", held_count,
           (unsigned long long)metrics->poisoned);
}

unsigned book_deaths(const struct group *group)
{
    unsigned deaths = 0;
    for (unsigned i = 0; i < group->lost; i++)
        deaths += group->losses[i].of_vm || known_lives(group->losses[i].serial);
    return deaths;
}

static bool is_avoided(const struct group *group, unsigned name)
{
    const struct claim *claim = known_claim(name);
    for (unsigned i = 0; i < group->lost; i++)
        if (claim && group->losses[i].serial == claim->serial)
            return true;
    return false;
}

static bool has_slot(unsigned name)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i].peer.ws && slots[i].has_name && slots[i].name == name && !slots[i].is_out)
            return true;
    return false;
}

/* Whether a worker that has not lost the job could run it, now or soon. */
static bool has_other_worker(const struct group *group)
{
    for (unsigned name = 0; name < NAMES; name++)
        if (has_slot(name) && !known_is_away(name) && known_takes_jobs(name) && !is_avoided(group, name) &&
            known_variant(name, group->work.image, group->demand))
            return true;
    return false;
}

bool book_fits(const struct group *group, const struct slot_actor *slot)
{
    return slot->has_name && known_takes_jobs(slot->name) && (!group->needs_live || slot->is_live) &&
           known_variant(slot->name, group->work.image, group->demand) &&
           !(group->lost && is_avoided(group, slot->name) && has_other_worker(group));
}

/* Whether the group is held back after its last loss. */
static bool is_poison(const struct group *group)
{
    bool several = false;
    for (unsigned i = 0; i < group->lost; i++) {
        if (group->losses[i].of_vm || !known_lives(group->losses[i].serial))
            return false;
        several |= group->losses[i].serial != group->losses[0].serial;
    }
    return several || !has_other_worker(group);
}

/* All tries were lost, and the requests are about to be told. */
void book_conclude(struct group *group)
{
    group->deaths = book_deaths(group);
    if (group->deaths < group->lost || !is_poison(group))
        return;
    unsigned variants = known_variants(group->work.image, group->demand);
    bool is_away = false;
    for (unsigned name = 0; name < NAMES; name++)
        is_away |= known_is_away(name);
    TRACE("group %u is held back", group->number);
    held[held_count++ % HELD_MAX] = (struct held){.work = group->work,
                                                  .variants = variants,
                                                  .is_sure = !is_away && !(variants & (variants - 1)),
                                                  .until_us = clock_us + options.poison_us};
}

bool book_holds(struct work work, unsigned variants, uint64_t at_us, bool surely)
{
    for (unsigned i = 0; i < held_count && i < HELD_MAX; i++) {
        const struct held *one = &held[i];
        bool matches = surely ? one->is_sure && one->variants == variants : (one->variants & variants) != 0;
        if (one->until_us > at_us && is_same_work(one->work, work) && matches)
            return true;
    }
    return false;
}
