/* SPDX-License-Identifier: Apache-2.0 */
/* Nobody waits too long or for nothing, no slot is idle that could work, and the balancer's counters are
 * what the model counts. */
#include "tests/model/at_rest.h"

#include "proto/limits.h"
#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/cases.h"
#include "tests/model/clock.h"
#include "tests/model/dialects.h"
#include "tests/model/input.h"
#include "tests/model/judge.h"
#include "tests/model/known.h"
#include "tests/model/order.h"
#include "tests/model/states.h"

/* ---- requests and jobs ---- */

static void check_request(const struct request *request)
{
    if (request->final || request->aborted || request->is_shut_down ||
        (request->session && request->session->is_closing))
        return;
    if (request->session)
        session_check_rest(request);
    else if (request->watcher)
        events_check_rest(request);
    if ((request->started || request->session) && (!request->watcher || !request_group(request)))
        return;
    if (!request_group(request) && cases_may_be_read(request))
        return;
    EXPECT(!request->hung_up, "request %u waits although its client has gone", request->number);
    /* A time that is over when the job starts is seen only after the loss or the return of that try. */
    unsigned looks = 1;
    for (unsigned part = 0; part < PARTS_MAX; part++)
        looks += request->last_groups[part]
                     ? request->last_groups[part]->lost + request->last_groups[part]->returns
                     : 0;
    uint64_t may_wait_us = request->late_us > request->wait_us ? request->late_us : request->wait_us;
    EXPECT(judge_waited_us(request) <= may_wait_us + looks * PRECISION_US,
           "request %u has waited for %llu ms; it may wait for %llu ms", request->number,
           (unsigned long long)judge_waited_us(request) / 1000, (unsigned long long)request->wait_us / 1000);
    if (request_group(request))
        return;
    EXPECT(balancer.exchanges.gathering && !request_is_known(request), "request %u waits for nothing",
           request->number);
}

static void check_group(struct group *group, void *data)
{
    uint64_t age_us = clock_us - group->since_us;
    (void)data;
    switch (group->state) {
    case GROUP_LOOKING:
        EXPECT(age_us <= LOOKUP_US, "group %u waits for the store for %llu ms", group->number,
               (unsigned long long)age_us / 1000);
        break;
    case GROUP_RETRYING:
        EXPECT(age_us <= LOSS_RETRY_US + 1000, "group %u is not tried again", group->number);
        break;
    case GROUP_QUEUED:
        EXPECT(!order_can_start(group), "group %u waits, but a slot is ready for it", group->number);
        break;
    case GROUP_RUNNING:
        break;
    }
}

static void check_slot(const struct slot_actor *slot)
{
    if (!peer_is_heard(&slot->peer))
        return;
    input_check_rest(slot);
    EXPECT(slot->view < VIEW_INPUT || clock_us <= slot->deadline_us + PE_SLOT_PING_MS * 1000ull + 2000,
           "slot %u has no answer, and its time is over", slot->number);
    EXPECT(!slot->run || !slot->is_live || slot->view != VIEW_RUNNING || slot->is_watched ||
               !slot->run->group->is_watched,
           "run %u is watched, and slot %u is not told", slot->run->number, slot->number);
    bool is_copy = slot->run && slot->run->group->is_copy;
    EXPECT(!is_copy || !book_must_yield(slot->run), "copy %u has a slot, which a job needs",
           slot->run->number);
    EXPECT(!slot->run || is_copy || slot->run->group->members, "run %u goes on, but nobody waits for it",
           slot->run->number);
}

/* ---- counters ---- */

static void check_slot_counts(void)
{
    size_t count = 0, ready = 0, running = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        check_slot(&slots[i]);
        count += slots[i].peer.ws && !slots[i].is_out;
        ready += slot_is_ready(&slots[i]) && known_claim(slots[i].name);
        running += slots[i].run != NULL;
    }
    EXPECT(balancer.scheduler.slot_count == count, "%zu slots, not %zu", count,
           balancer.scheduler.slot_count);
    EXPECT(balancer.scheduler.ready_count == ready, "%zu ready slots, not %zu", ready,
           balancer.scheduler.ready_count);
    EXPECT(balancer.scheduler.running_count == running, "%zu jobs run, not %zu", running,
           balancer.scheduler.running_count);
}

static void check_queue_counts(void)
{
    const struct scheduler *scheduler = &balancer.scheduler;
    struct waiting waiting = judge_waiting();
    size_t joined = waiting.jobs - waiting.queued, joined_bytes = waiting.bytes - waiting.queued_bytes;
    EXPECT(scheduler->queued_count == waiting.queued, "%zu jobs wait, not %zu", waiting.queued,
           scheduler->queued_count);
    EXPECT(scheduler->queued_bytes == waiting.queued_bytes, "they need %zu bytes, not %zu",
           waiting.queued_bytes, scheduler->queued_bytes);
    EXPECT(scheduler->joined_count == joined, "%zu requests have joined a job, not %zu", joined,
           scheduler->joined_count);
    EXPECT(scheduler->joined_bytes == joined_bytes, "they need %zu bytes, not %zu", joined_bytes,
           scheduler->joined_bytes);
    EXPECT(scheduler->known_count == known_count(), "%u workers are known, not %zu", known_count(),
           scheduler->known_count);
}

void at_rest_check(void)
{
    unsigned open = 0;
    for (; open < REQUESTS && requests[open]; open++)
        check_request(requests[open]);
    EXPECT(balancer.exchanges.count == open, "%u requests are open, not %zu", open, balancer.exchanges.count);
    book_each(check_group, NULL);
    check_slot_counts();
    check_queue_counts();
    losses_check_counters(&balancer.metrics);
    EXPECT(balancer.cache.bytes <= balancer.cache.bytes_max || balancer.cache.count <= 1,
           "the cache has %zu bytes of %zu", balancer.cache.bytes, balancer.cache.bytes_max);
    states_note();
}

void at_rest_check_end(void)
{
    const struct byte_budget *budget = &balancer.budget;
    EXPECT(!requests[0], "request %u has no answer", requests[0]->number);
    EXPECT(!balancer.jobs.shared, "a job can still be joined");
    EXPECT(budget->readers.next == &budget->readers && budget->releasing == 0, "a reader is left");
    EXPECT(balancer.scheduler.turns.next == &balancer.scheduler.turns, "a client has jobs");
    EXPECT(balancer.scheduler.slots.next == &balancer.scheduler.slots, "a slot is left");
    EXPECT(balancer.scheduler.workers.next == &balancer.scheduler.workers, "a worker is left");
    EXPECT(balancer.deadlines.watched.next == &balancer.deadlines.watched, "a deadline is watched");
    EXPECT(!balancer.dispatch.pending, "a dispatch is pending");
    EXPECT(!balancer.exchanges.by_id, "a request can be asked for");
}
