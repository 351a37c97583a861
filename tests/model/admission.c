/* SPDX-License-Identifier: Apache-2.0 */
/* How requests are let in: limits of clients, results that exist, jobs that can be shared, and room in
 * the queue. */
#include "tests/model/judge.h"

#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/clock.h"
#include "tests/model/known.h"
#include "tests/model/order.h"

#include <string.h>

/* The token bucket of each client. */
static struct {
    double tokens;
    uint64_t filled_us; /* 0: the client is new */
} buckets[CLIENTS];

static bool must_be_limited, may_be_limited, takes_token; /* the request that arrives */

void judge_reset(void)
{
    memset(buckets, 0, sizeof buckets);
}

/* ---- the limits of clients ---- */

static unsigned count_jobs(unsigned client)
{
    unsigned count = 0;
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++)
        count += requests[i]->client == client && requests[i]->was_let_in;
    return count;
}

static void fill_bucket(unsigned client)
{
    double before = buckets[client].filled_us ? buckets[client].tokens : (double)options.client_burst;
    double minutes = buckets[client].filled_us ? (double)(clock_us - buckets[client].filled_us) / 60e6 : 0;
    before += minutes * (double)options.client_rate;
    buckets[client].tokens = before < (double)options.client_burst ? before : (double)options.client_burst;
    buckets[client].filled_us = clock_us;
}

void judge_arrival(struct request *request)
{
    unsigned client = request->client;
    must_be_limited = may_be_limited = takes_token = false;
    if (balancer.exchanges.draining && (request->session || !request->connection.is_new))
        return;
    if (request->session && request->is_malformed) /* nobody is let in for it */
        return;
    if (options.client_jobs && count_jobs(client) >= options.client_jobs) {
        must_be_limited = may_be_limited = true;
        return;
    }
    if (options.client_rate) {
        fill_bucket(client);
        must_be_limited = buckets[client].tokens < 1 - 1e-6;
        may_be_limited = buckets[client].tokens < 1 + 1e-6;
        takes_token = true;
    }
    request->was_let_in = !must_be_limited;
}

void judge_limited(const struct request *request)
{
    EXPECT(may_be_limited, "request %u is refused, but client %u has only %u jobs", request->number,
           request->client, count_jobs(request->client));
}

/* ---- the queue ---- */

static void count_group(struct group *group, void *data)
{
    struct waiting *waiting = data;
    waiting->jobs += group->members - 1;
    if (group->state == GROUP_QUEUED) {
        waiting->jobs++;
        waiting->queued++;
        waiting->bytes += group->bytes;
        waiting->queued_bytes += group->bytes;
    }
}

struct waiting judge_waiting(void)
{
    struct waiting waiting = {0};
    book_each(count_group, &waiting);
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++) {
        waiting.jobs += request_gathers(requests[i]);
        waiting.bytes += request_gathers(requests[i]) ? request_gathered_bytes(requests[i]) : 0;
        for (unsigned part = 0; part < PARTS_MAX; part++)
            if (requests[i]->groups[part] && requests[i]->groups[part]->source != requests[i])
                waiting.bytes += request_bytes(requests[i], part);
    }
    return waiting;
}

/* Whether those that wait, the last one included, have room. */
static bool has_room(void)
{
    const struct waiting waiting = judge_waiting();
    return waiting.jobs <= options.queue_jobs && waiting.bytes <= options.queue_bytes;
}

static void check_room(const struct request *request, const struct group *group)
{
    if (group->source != request)
        EXPECT(has_room(), "request %u joins a job, but the queue is full", request->number);
    else if (group->state == GROUP_QUEUED)
        EXPECT(has_room() || order_can_start(group), "request %u waits, but the queue is full",
               request->number);
}

void judge_accepted(struct request *request)
{
    bool is_limited = !strcmp(request->problem, "too-many-requests");
    EXPECT(!must_be_limited || is_limited, "request %u is let in, but client %u has reached its limit",
           request->number, request->client);
    request->was_let_in &= !is_limited;
    if (request->session)
        request->session->is_counted = request->was_let_in &= !request->problem[0];
    if (takes_token && !is_limited)
        buckets[request->client].tokens -= 1;
    if (request->is_malformed)
        EXPECT(request->problem[0], "request %u is malformed, and not refused", request->number);
    for (unsigned part = 0; part < PARTS_MAX; part++)
        if (request->groups[part])
            check_room(request, request->groups[part]);
    if (request_gathers(request))
        EXPECT(has_room(), "request %u waits for workers, but the queue is full", request->number);
}

/* ---- sharing ---- */

static bool is_single(unsigned bits)
{
    return bits && !(bits & (bits - 1));
}

struct search {
    const struct request *request;
    struct work work;
    const struct group *found;
};

/* A job that this request must join. */
static void find_shared(struct group *group, void *data)
{
    struct search *search = data;
    const struct request *request = search->request;
    if (group->must_be_joined && is_same_work(group->work, search->work) &&
        group->demand.bits == request->demand.bits && is_single(group->variants) &&
        group->variants == known_variants(request->work.image, request->demand))
        search->found = group;
}

/* Whether this result is surely in memory: nothing was evicted, and no store can have replaced it. */
static bool is_surely_kept(const struct run *run)
{
    return !options.has_store && !run->mismatch && is_single(run->group->variants) &&
           balancer.cache.evicted == 0 &&
           run->sizes[LIVE_STDOUT] + run->sizes[LIVE_STDERR] + 32768 < options.cache_bytes / 8;
}

void judge_new_group(const struct request *request, unsigned part)
{
    unsigned variants = known_variants(request->work.image, request->demand);
    const struct work work = part_of_work(request->work, part);
    struct search search = {.request = request, .work = work};
    EXPECT(!request->is_malformed && variants, "request %u gets a job", request->number);
    if (request->session) {
        EXPECT(known_has_live(request->work.image, request->demand), "session %u gets a job",
               request->number);
        return;
    }
    EXPECT(!book_holds(work, variants, request->arrived_us, true),
           "request %u gets a job, but its work is held back", request->number);
    if (request->caching != CACHING_USE)
        return;
    book_each(find_shared, &search);
    EXPECT(!search.found, "request %u gets a job, but could share group %u", request->number,
           search.found->number);
    if (!is_single(variants))
        return;
    const struct run *run = book_find_kept(work, (unsigned)__builtin_ctz(variants));
    EXPECT(!run || !is_surely_kept(run) || !pe_isolation_accepted(request->demand, run->isolation),
           "request %u gets a job, but the result of run %u is in memory", request->number, run->number);
}

void judge_joined(const struct request *request, unsigned part, const struct group *group)
{
    EXPECT(request->caching == CACHING_USE && group->caching == CACHING_USE && group->may_be_joined,
           "request %u joins group %u", request->number, group->number);
    EXPECT(is_same_work(part_of_work(request->work, part), group->work) &&
               request->demand.bits == group->demand.bits,
           "request %u joins group %u, which does other work", request->number, group->number);
    EXPECT(request->variants & group->variants, "request %u joins group %u, which has another image",
           request->number, group->number);
}
