/* SPDX-License-Identifier: Apache-2.0 */
/* A state is a sum of hashes, one for each thing that there is, so that their order does not matter. */
#include "tests/model/states.h"

#include "tests/model/book.h"
#include "tests/model/cases.h"
#include "tests/model/known.h"
#include "tests/model/world.h"

enum { SEEN_SIZE = 1 << 20 }; /* a power of two; more states than half of it are not counted */

static uint64_t seen[SEEN_SIZE]; /* open addressing; 0: free */
static size_t seen_count;

/* The finalizer of SplitMix64. */
static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

/* The hash of a thing of this kind in this situation. */
static uint64_t hash_of(unsigned kind, unsigned situation)
{
    return mix((uint64_t)kind << 32 | (situation + 1));
}

static unsigned up_to(unsigned number, unsigned most)
{
    return number < most ? number : most;
}

static void add_group(struct group *group, void *data)
{
    enum { MANY = 3 };
    uint64_t *sum = data;
    const struct run *run = group->run;
    const bool has_output = run && (run->live[LIVE_STDOUT] || run->live[LIVE_STDERR]);
    const unsigned situation =
        (((unsigned)group->state * 4 + up_to(group->members, MANY)) * 4 + group->lost) * 2 + group->is_copy;
    *sum += hash_of(1, situation * 4 + group->is_watched * 2 + has_output);
}

static unsigned situation_of(const struct slot_actor *slot)
{
    if (!slot->peer.ws || slot->is_out)
        return 0;
    return 1 + (unsigned)slot->view * 16 + (slot->run != NULL) * 8 + (slot->warm >= 0) * 4 +
           slot->is_elsewhere * 2 + slot_is_ready(slot);
}

static unsigned situation_of_session(const struct request *request)
{
    const struct session *session = request->session;
    const struct run *run = request_group(request) ? request_group(request)->run : NULL;
    const bool has_input = run && run->input_sent > run->input_taken;
    return ((((unsigned)session->live->phase * 2 + session->is_tty) * 2 + session->is_ended) * 2 +
            has_input) *
               2 +
           request->watcher->has_ended;
}

static unsigned situation_of_canceled(const struct request *request)
{
    return (request->started * 2 + (request->watcher != NULL)) * 2 + request->in_flight;
}

/* What was told of stages and cases, and how far the report is. */
static unsigned situation_of_cases(const struct request *request)
{
    const struct run *run = request_group(request) ? request_group(request)->run : NULL;
    const struct cases_told *told = request->watcher ? request->watcher->cases : NULL;
    const struct report *report = run && run->live_report ? run->live_report : run ? run->report : NULL;
    unsigned sent = 0;
    while (report && sent < report->valid && report->records[sent].end_at <= run->live[LIVE_STDOUT])
        sent++;
    return ((request->work.plan * 8 + (told ? up_to(told->count, 6) : 7)) * 8 + up_to(sent, 7)) * 2 +
           (report && !report->is_plain);
}

static unsigned situation_of_dialect(const struct request *request)
{
    const struct watcher *watcher = request->watcher;
    return (((unsigned)request->work.api * 2 + request->is_evaluated) * 2 +
            (request_group(request) != NULL)) *
               4 +
           (watcher ? 1 + watcher->is_started + watcher->must_restart : 0);
}

static void add_request(const struct request *request, uint64_t *sum)
{
    if (request->work.api)
        *sum += hash_of(7, situation_of_dialect(request));
    if (request->work.plan)
        *sum += hash_of(6, situation_of_cases(request));
    if (request->session)
        *sum += hash_of(4, situation_of_session(request));
    if (request->is_canceled)
        *sum += hash_of(5, situation_of_canceled(request));
}

void states_note(void)
{
    uint64_t sum = hash_of(3, known_count());
    book_each(add_group, &sum);
    for (unsigned i = 0; i < SLOTS; i++)
        sum += hash_of(2, situation_of(&slots[i]));
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++)
        add_request(requests[i], &sum);
    sum += sum == 0;
    size_t at = sum % SEEN_SIZE;
    while (seen[at] && seen[at] != sum)
        at = (at + 1) % SEEN_SIZE;
    if (seen[at] || seen_count == SEEN_SIZE / 2)
        return;
    seen[at] = sum;
    seen_count++;
}

size_t states_count(void)
{
    return seen_count;
}
