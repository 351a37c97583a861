/* SPDX-License-Identifier: Apache-2.0 */
/* Answers. Admission is in admission.c. */
#include "tests/model/judge.h"

#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/cases.h"
#include "tests/model/clock.h"
#include "tests/model/deletions.h"
#include "tests/model/dialects.h"
#include "tests/model/known.h"
#include "tests/model/order.h"
#include "tests/model/output.h"

#include <string.h>

uint64_t judge_waited_us(const struct request *request)
{
    return request->waited_us + (request->since_us ? clock_us - request->since_us : 0);
}

/* ---- texts of responses ---- */

static const uint8_t *find_text(const uint8_t *bytes, size_t size, const char *text)
{
    return size ? memmem(bytes, size, text, strlen(text)) : NULL;
}

static bool has_text(const struct pe_buf *bytes, const char *text)
{
    return find_text(bytes->data, bytes->size, text) != NULL;
}

const struct run *judge_find_begun(const uint8_t *bytes, size_t size)
{
    char text[16] = "";
    const uint8_t *found = find_text(bytes, size, "b-run-");
    if (!found || (size_t)(bytes + size - found) < MARKER_SIZE)
        return NULL;
    memcpy(text, found + 6, 9);
    const struct run *run = book_run((unsigned)strtoul(text, NULL, 10));
    EXPECT(run, "the marker of run %s is in a result", text);
    return run;
}

const struct run *judge_find_run(const uint8_t *bytes, size_t size)
{
    char marker[MARKER_SIZE + 1];
    const struct run *run = judge_find_begun(bytes, size);
    if (!run)
        return NULL;
    output_marker(run, marker, 'e');
    EXPECT(find_text(bytes, size, marker), "the stdout of run %u is not complete", run->number);
    return run;
}

/* ---- results ---- */

static void check_hit(const struct request *request, const struct run *run, bool is_from_store)
{
    EXPECT(request->caching == CACHING_USE, "request %u, which wants none, gets a stored result",
           request->number);
    deletions_check_hit(request, run);
    EXPECT(run->state == RUN_COMPLETE && run->fits && run->is_final && run->group->caching != CACHING_NONE,
           "request %u gets the result of run %u, which must not be kept", request->number, run->number);
    EXPECT(request->variants & 1u << run->variant,
           "request %u gets a stored result of variant %u of its image; workers have %x", request->number,
           run->variant, request->variants);
    EXPECT(!(run->mismatch && !(run->group->variants & (run->group->variants - 1))),
           "run %u was kept under the key of another variant", run->number);
    bool has_either = options.has_store || options.cache_bytes > 0; /* with stages, it is not told which */
    EXPECT(request->work.plan ? has_either
           : is_from_store    ? options.has_store
                              : options.cache_bytes > 0,
           "there is no cache");
}

static void check_run(const struct request *request, const struct run *run)
{
    EXPECT(is_same_work(part_of_work(request->work, run->work.part), run->work),
           "request %u gets the result of other work: run %u", request->number, run->number);
    deletions_check_key(request, run);
    EXPECT(pe_isolation_accepted(request->demand, run->isolation),
           "request %u gets a result of an isolation that it does not accept", request->number);
    /* A request can join one for which the store is asked. */
    bool is_stored = request->has_joined && !request_had(request, run->group);
    if (request->is_hit || is_stored) {
        check_hit(request, run, request->is_from_store || is_stored);
        return;
    }
    EXPECT(request_had(request, run->group), "request %u gets the result of run %u of another group",
           request->number, run->number);
    EXPECT(run->state == RUN_COMPLETE, "request %u gets the result of run %u, which is not complete",
           request->number, run->number);
}

/* Some of the parts may have stored results, and others not. */
void judge_parts(const struct request *request, const struct run *const runs[PARTS_MAX])
{
    for (unsigned part = 0; part < PARTS_MAX; part++) {
        const struct run *run = runs[part];
        if (!run)
            continue;
        EXPECT(is_same_work(part_of_work(request->work, part), run->work),
               "request %u gets the result of other work: run %u", request->number, run->number);
        EXPECT(run->state == RUN_COMPLETE, "request %u gets the result of run %u, which is not complete",
               request->number, run->number);
        if (!request_had(request, run->group))
            check_hit(request, run, true);
    }
}

/* A result that the balancer has made itself. */
static void check_vm_error(const struct request *request)
{
    const struct group *group = request->last_groups[0];
    EXPECT(has_text(&request->response, "vm_error"), "request %u gets a result of no run", request->number);
    if (has_text(&request->response, "is held back")) {
        EXPECT(book_holds(request->work, request->variants, request->arrived_us, false),
               "request %u is held back", request->number);
        return;
    }
    EXPECT(group && group->lost == TRIES && group->deaths == TRIES && !group->run,
           "request %u gets vm_error after %u losses, of which %u are deaths", request->number,
           group ? group->lost : 0, group ? group->deaths : 0);
}

void judge_start(struct request *request)
{
    const struct exchange *exchange = request->exchange;
    book_sync();
    TRACE("request %u is answered with a result%s", request->number, request->is_hit ? " that exists" : "");
    EXPECT(exchange->encoder.result || request->watcher, "there is no result");
    EXPECT(!request->is_malformed, "request %u is malformed", request->number);
}

void judge_event_result(struct request *request, const struct run *run, bool is_cached)
{
    /* The response began before the store was asked. */
    request->is_from_store |= is_cached && !request->is_hit;
    request->is_hit |= is_cached;
    if (run)
        check_run(request, run);
    else
        check_vm_error(request);
}

/* The result of a job with stages, which has all that is told about them. */
static void judge_whole(const struct request *request)
{
    json_t *result =
        json_loadb((const char *)request->response.data, request->response.size, JSON_ALLOW_NUL, NULL);
    if (plan_parts(request->work.plan) > 1) {
        cases_check_parts(request, result);
        json_decref(result);
        return;
    }
    const struct run *run = cases_find_run(result);
    if (run)
        check_run(request, run);
    else
        check_vm_error(request);
    cases_check_result(request, run, result);
    json_decref(result);
}

void judge_final(const struct request *request)
{
    if (request->watcher) {
        events_check_end(request);
        return;
    }
    if (request->work.api) {
        dialect_check_result(request);
        return;
    }
    if (request->work.plan) {
        judge_whole(request);
        return;
    }
    EXPECT(!request->lost_its_run, "the response to request %u is completed", request->number);
    const struct run *run = judge_find_run(request->response.data, request->response.size);
    if (run)
        check_run(request, run);
    else
        check_vm_error(request);
}

void judge_abort(const struct request *request)
{
    EXPECT(request->hung_up || request->is_shut_down || request->lost_its_run,
           "the response to request %u is broken off", request->number);
}

/* ---- problems ---- */

/* Whether there is no room for one more. Those that have joined a job are counted even if the job itself
 * has no place yet, because the store was asked first. */
static bool is_full(const struct request *request)
{
    struct waiting waiting = judge_waiting();
    size_t parts = plan_parts(request->work.plan), own = 0;
    if (!request->session && !request->is_evaluated) { /* it should have waited for workers */
        own = request_gathered_bytes(request);
        return waiting.jobs >= options.queue_jobs || own > options.queue_bytes ||
               waiting.bytes > options.queue_bytes - own;
    }
    for (unsigned part = 0; part < parts; part++) {
        const struct group *group = request->last_groups[part];
        size_t joined = group && group->members_max > 1 ? group->members_max - 1 : 0;
        own += request_bytes(request, part);
        waiting.jobs += joined;
        waiting.bytes += joined * request_bytes(request, part);
    }
    waiting.jobs += parts - 1;
    return waiting.jobs >= options.queue_jobs || own > options.queue_bytes ||
           waiting.bytes > options.queue_bytes - own;
}

static void check_full(const struct request *request)
{
    const struct group as_group = {.work = request->work,
                                   .demand = request->demand,
                                   .client = request->client,
                                   .needs_live = request->session != NULL};
    /* Behind an answer of the store, a job with stages is refused at the end of the iteration of the loop,
     * when others that were refused have left the queue. */
    bool may_be_late = options.has_store && request->work.plan && !request->work.api;
    EXPECT(is_full(request) || may_be_late, "request %u is refused, but the queue has room", request->number);
    if (request->caching != CACHING_USE)
        EXPECT(!order_can_start(&as_group), "request %u is refused, but a slot is ready", request->number);
}

static void check_timely(const struct request *request)
{
    EXPECT(judge_waited_us(request) >= request->wait_us && request->since_us,
           "request %u is refused before its time is over: after %llu ms", request->number,
           (unsigned long long)judge_waited_us(request) / 1000);
}

/* Refusals because of workers: at once, unless workers may still connect, or at the end of the time. */
static void check_known(const struct request *request)
{
    const struct pe_isolation_set any = {0};
    unsigned image = request->work.image;
    EXPECT(!balancer.exchanges.gathering || judge_waited_us(request) >= request->wait_us,
           "request %u is refused, but workers may still connect", request->number);
    EXPECT(!request->last_groups[0] || judge_waited_us(request) >= request->wait_us,
           "request %u has a job already", request->number);
    if (!strcmp(request->problem, "no-worker"))
        EXPECT(known_count() == 0, "request %u: %u workers are known", request->number, known_count());
    else if (!strcmp(request->problem, "unknown-image"))
        EXPECT(known_count() && !known_variants(image, any), "request %u: its image is known",
               request->number);
    else
        EXPECT(known_variants(image, any) && !known_variants(image, request->demand),
               "request %u: a worker can run it", request->number);
}

/* Piston has no word for an image that nobody has. */
static void check_unknown_runtime(const struct request *request)
{
    EXPECT(request->work.api == API_PISTON && has_text(&request->problem_text, "runtime is unknown") &&
               (known_count() || request->session) && !request_is_known(request),
           "request %u: a worker has its runtime", request->number);
    EXPECT(!balancer.exchanges.gathering || judge_waited_us(request) >= request->wait_us,
           "request %u is refused, but workers may still connect", request->number);
}

/* By other APIs than the service's own, a result of a VM that failed is told as a problem. */
static void check_failed(const struct request *request)
{
    const struct group *group = request->last_groups[0];
    EXPECT(request->work.api, "request %u is told that the VM failed", request->number);
    if (has_text(&request->problem_text, "is held back")) {
        EXPECT(book_holds(request->work, request->variants, request->arrived_us, false),
               "request %u is held back", request->number);
        return;
    }
    const struct run *run = group ? group->last_run : NULL;
    bool by_worker = run && run->state == RUN_COMPLETE && run->status == PE_STATUS_VM_ERROR;
    EXPECT(by_worker || (group && group->lost == TRIES && group->deaths == TRIES && !group->run),
           "request %u is told that the VM failed, after %u losses", request->number,
           group ? group->lost : 0);
}

static void check_no_capacity(const struct request *request)
{
    const struct pe_buf *text = &request->problem_text;
    if (has_text(text, "shutting down"))
        EXPECT(balancer.exchanges.draining && (request->session || !request->connection.is_new),
               "it is not shutting down");
    else if (has_text(text, "interactive jobs wait or run"))
        EXPECT(sessions_counted() >= sessions_max(), "session %u is refused, but only %zu have a job",
               request->number, sessions_counted());
    else if (has_text(text, "no memory left for output"))
        EXPECT(options.results_bytes < 16u << 20, "there is memory for the output of session %u",
               request->number);
    else if (has_text(text, "no slot became free"))
        check_timely(request);
    else
        check_full(request);
}

static bool is_given_up(const struct group *group)
{
    return group && group->lost == TRIES && book_deaths(group) < TRIES &&
           clock_us + 1000 >= group->since_us + LOSS_RETRY_US;
}

static void check_given_up(const struct request *request)
{
    bool is_lost = false;
    for (unsigned part = 0; part < PARTS_MAX; part++)
        is_lost |= is_given_up(request->last_groups[part]);
    EXPECT(is_lost, "request %u is given up, and its job can be tried again", request->number);
}

static void check_live_unavailable(const struct request *request)
{
    EXPECT(request->session && known_variants(request->work.image, request->demand) &&
               !known_has_live(request->work.image, request->demand),
           "session %u is told that no worker can run it", request->number);
}

/* The only try of an interactive job. */
static void check_lost(const struct request *request)
{
    const struct group *group = request->last_groups[0];
    EXPECT(request->session && group && group->lost == 1, "request %u is told that its program is lost",
           request->number);
    EXPECT(group->losses[0].of_vm == !strcmp(request->problem, "vm-lost"), "session %u is told %s",
           request->number, request->problem);
}

static void check_idle(const struct request *request)
{
    EXPECT(request->session && request->last_groups[0] &&
               clock_us - session_active_us(request) >= options.idle_us,
           "session %u is not idle", request->number);
}

static void check_refused_by_worker(const struct request *request)
{
    char text[32];
    const struct run *run = NULL;
    const struct pe_buf *json = &request->problem_text;
    const uint8_t *found = find_text(json->data, json->size, "\"detail\":\"run ");
    EXPECT(found, "there is no detail");
    memcpy(text, found + 14, 10);
    text[10] = '\0';
    run = book_run((unsigned)strtoul(text, NULL, 10));
    EXPECT(run && run->state == RUN_REFUSED && request_had(request, run->group),
           "request %u gets the problem of run %s", request->number, text);
}

static void read_type(struct request *request)
{
    const struct pe_buf *json = &request->problem_text;
    const uint8_t *found = find_text(json->data, json->size, "/problems/");
    EXPECT(found && json->size < 8192, "request %u gets a problem without a type", request->number);
    const char *end = (const char *)json->data + json->size;
    size_t used = 0;
    for (const char *at = (const char *)found + 10;
         at < end && *at != '"' && used + 1 < sizeof request->problem;)
        request->problem[used++] = *at++;
    request->problem[used] = '\0';
}

void judge_before_problem(const struct pe_problem *problem)
{
    if (!strcmp(problem->type, "internal"))
        book_sync();
}

void judge_problem(struct request *request)
{
    static const struct {
        const char *type;
        void (*check)(const struct request *request);
    } kinds[] = {{"no-capacity", check_no_capacity},
                 {"no-worker", check_known},
                 {"unknown-image", check_known},
                 {"isolation-unavailable", check_known},
                 {"job-lost", check_given_up},
                 {"model-refuses", check_refused_by_worker},
                 {"too-many-requests", judge_limited},
                 {"live-unavailable", check_live_unavailable},
                 {"slot-lost", check_lost},
                 {"vm-lost", check_lost},
                 {"interactive-idle", check_idle},
                 {"internal", check_failed}};
    read_type(request);
    TRACE("request %u is answered with the problem %s: %.*s", request->number, request->problem,
          (int)request->problem_text.size, (const char *)request->problem_text.data);
    book_sync();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(request->problem, kinds[i].type)) {
            kinds[i].check(request);
            return;
        }
    if (request->work.api == API_PISTON && !strcmp(request->problem, "invalid-job"))
        check_unknown_runtime(request);
    else if (request->session)
        EXPECT(request->session->expected && !strcmp(request->problem, request->session->expected),
               "session %u gets the problem %s", request->number, request->problem);
    else if (!strcmp(request->problem, "canceled"))
        EXPECT(request->hung_up || request->is_canceled, "request %u is cancelled", request->number);
    else
        EXPECT(request->is_malformed && !strcmp(request->problem, "malformed-request"),
               "request %u gets the problem %s", request->number, request->problem);
}

void judge_end(const struct request *request)
{
    bool is_closed = request->session && request->session->is_closing;
    EXPECT(request->final || request->aborted || request->hung_up || request->is_shut_down || is_closed,
           "request %u ends without an answer", request->number);
}
