/* SPDX-License-Identifier: Apache-2.0 */
/* Turns and slots. */
#include "tests/model/order.h"

#include "tests/model/known.h"

#include <string.h>

enum { OVERTAKEN_MAX = 8 };

static int64_t moment;
static int bumps[CLIENTS]; /* in this moment: jobs of each client that went to the front */

void order_reset(void)
{
    moment = 0;
}

void order_go_on(void)
{
    moment++;
    memset(bumps, 0, sizeof bumps);
}

void order_append(struct group *group)
{
    group->order = moment;
    TRACE("group %u waits behind all others of client %u", group->number, group->client);
    for (unsigned client = 0; client < CLIENTS; client++)
        group->passed[client] = -bumps[client];
}

static void allow_one_turn(struct group *other, void *data)
{
    const struct group *group = data;
    if (other->client != group->client)
        other->passed[group->client]--;
}

void order_prepend(struct group *group)
{
    group->order = -moment;
    TRACE("group %u waits before all others of client %u", group->number, group->client);
    memset(group->passed, 0, sizeof group->passed);
    group->overtaken = 0; /* while it was on a slot, others were first, and their starts are not counted */
    bumps[group->client]++;
    book_each(allow_one_turn, group);
}

/* ---- slots ---- */

static unsigned running_on(unsigned name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SLOTS; i++)
        count += slots[i].peer.ws && slots[i].has_name && slots[i].name == name &&
                 (slots[i].run || (slots[i].is_elsewhere && !slots[i].is_out));
    return count;
}

bool order_has_room(unsigned name, unsigned jobs)
{
    const struct claim *claim = known_claim(name);
    return claim && running_on(name) + jobs <= (claim->offer.vms ? claim->offer.vms : claim->offer.slots);
}

/* How well a slot fits; a greater value is better, and 0 is not at all. */
static int quality(const struct group *group, const struct slot_actor *slot)
{
    if (!slot_is_ready(slot) || !book_fits(group, slot))
        return 0;
    const struct offer *offer = &known_claim(slot->name)->offer;
    bool is_busy = running_on(slot->name) >= (offer->vms ? offer->vms : offer->slots);
    bool is_warm = slot->warm == (int)group->work.image;
    return 1 + is_warm + 2 * !is_busy;
}

static bool is_warm(int value)
{
    return value == 2 || value == 4;
}

static int best_quality(const struct group *group)
{
    int best = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        int value = quality(group, &slots[i]);
        best = value > best ? value : best;
    }
    return best;
}

bool order_can_start(const struct group *group)
{
    return best_quality(group) > 0;
}

/* ---- turns ---- */

struct start {
    const struct group *group;
    const struct slot_actor *slot;
    int value;
    const struct group *first_of_client;
};

/* Jobs of the same client that came before and could start: only a warm slot justifies that this one
 * overtakes them. */
static void check_own(struct group *other, void *data)
{
    const struct start *start = data;
    if (other->state != GROUP_QUEUED || other->client != start->group->client)
        return;
    if (start->group == start->first_of_client)
        other->overtaken = 0;
    if (other->order >= start->group->order)
        return;
    int best = best_quality(other);
    if (!best)
        return;
    EXPECT(is_warm(start->value), "group %u overtakes group %u", start->group->number, other->number);
    EXPECT(!is_warm(best), "group %u overtakes group %u, which has a warm slot as well", start->group->number,
           other->number);
    if (other != start->first_of_client)
        return;
    other->overtaken++;
    EXPECT(other->overtaken <= OVERTAKEN_MAX, "group %u was overtaken %u times", other->number,
           other->overtaken);
}

/* Other clients that could use this slot let each client pass once. */
static void check_others(struct group *other, void *data)
{
    const struct start *start = data;
    unsigned client = start->group->client;
    if (other->client == client) {
        memset(other->passed, 0, sizeof other->passed);
        return;
    }
    if (other->state != GROUP_QUEUED || !book_fits(other, start->slot))
        return;
    other->passed[client]++;
    EXPECT(other->passed[client] <= 1, "client %u had %d turns while group %u waited", client,
           other->passed[client], other->number);
}

static void find_first(struct group *other, void *data)
{
    struct start *start = data;
    if (other->state == GROUP_QUEUED && other->client == start->group->client &&
        (!start->first_of_client || other->order < start->first_of_client->order))
        start->first_of_client = other;
}

void order_on_start(struct group *group, const struct slot_actor *slot)
{
    struct start start = {.group = group, .slot = slot, .value = quality(group, slot)};
    EXPECT(start.value == best_quality(group), "group %u is given to slot %u, but there is a better one",
           group->number, slot->number);
    book_each(find_first, &start);
    book_each(check_own, &start);
    book_each(check_others, &start);
}
