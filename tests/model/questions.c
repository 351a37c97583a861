/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked, and what the answer must be. */
#include "tests/model/questions.h"

#include "lb/api/job_status.h"
#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/cases.h"
#include "tests/model/choices.h"
#include "tests/model/clock.h"

#include <string.h>

/* How many questions an address may send in a second, and at once. */
#define RATE 5.0
#define BURST 20.0

static struct {
    double tokens;
    uint64_t filled_us; /* 0: the client has asked nothing */
} buckets[CLIENTS];

static size_t asked, canceled;

static struct request question; /* that is asked now */
static struct answer answer;    /* to it */

void questions_reset(void)
{
    memset(buckets, 0, sizeof buckets);
}

size_t questions_count(void)
{
    return asked;
}

size_t questions_canceled(void)
{
    return canceled;
}

/* ---- the limit of questions ---- */

static void fill_bucket(unsigned client)
{
    uint64_t filled_us = buckets[client].filled_us;
    double tokens = filled_us ? buckets[client].tokens + (double)(clock_us - filled_us) / 1e6 * RATE : BURST;
    buckets[client].tokens = tokens < BURST ? tokens : BURST;
    buckets[client].filled_us = clock_us;
}

bool question_is_limited(unsigned client)
{
    const char *type = json_string_value(json_object_get(answer.json, "type"));
    fill_bucket(client);
    double tokens = buckets[client].tokens;
    bool is_limited = answer.status == 429;
    EXPECT(tokens > 1 - 1e-6 || is_limited, "client %u may ask nothing now, and gets an answer", client);
    EXPECT(tokens < 1 + 1e-6 || !is_limited, "client %u may ask, and is refused", client);
    EXPECT(!is_limited || (type && !strcmp(type, "/problems/too-many-requests")), "a refusal has the type %s",
           type ? type : "of nothing");
    buckets[client].tokens -= is_limited ? 0 : 1;
    return is_limited;
}

/* ---- asking ---- */

void question_answer(const struct request *asking, const char *body, size_t size)
{
    answer.count++;
    answer.status = asking->req.res.status;
    json_decref(answer.json);
    answer.json = size ? json_loadb(body, size, 0, NULL) : NULL;
}

struct request *question_begin(unsigned client)
{
    question = (struct request){.is_question = true, .client = client};
    h2o_mem_init_pool(&question.req.pool);
    answer.count = 0;
    return &question;
}

const struct answer *question_end(void)
{
    h2o_mem_clear_pool(&question.req.pool);
    EXPECT(answer.count == 1, "a question is answered %u times", answer.count);
    return &answer;
}

static void ask(unsigned client, const char *id, bool cancels)
{
    char path[128];
    h2o_req_t *req = &question_begin(client)->req;
    snprintf(path, sizeof path, "%s%s", JOB_STATUS_PATH, id);
    req->path_normalized = h2o_strdup(&req->pool, path, SIZE_MAX);
    if (cancels)
        api_job_cancel(&balancer.exchanges, req);
    else
        api_job(&balancer.exchanges, req);
    question_end();
    asked++;
}

/* ---- what is asked for ---- */

static struct request *choose_request(void)
{
    unsigned count = 0;
    while (count < REQUESTS && requests[count])
        count++;
    return count ? requests[choose(count)] : NULL;
}

/* The request that can be asked for by this id, or NULL. */
static struct request *find_request(const char *id)
{
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++)
        if (requests[i]->has_id && !strcmp(requests[i]->id, id))
            return requests[i];
    return NULL;
}

/* An id that a client has chosen, or that is not known, or that no id can be. */
static void choose_id(char id[80])
{
    static const char *const others[] = {"", "0", "0000000000000000000000000000000A",
                                         "00000000000000000000000000000000000", "../hosts"};
    const struct request *request = choose_request();
    unsigned what = choose(20);
    if (what < 2 || !request)
        snprintf(id, 80, "%s", others[choose(5)]);
    else if (what < 4)
        snprintf(id, 80, "%032x", 1000 + choose(256));
    else if (request->id[0] && what < 18)
        snprintf(id, 80, "%s", request->id);
    else if (request->session) /* it has an id in the log only */
        snprintf(id, 80, "%s", request->session->live ? request->session->live->id : "");
    else
        snprintf(id, 80, "%s", request->exchange->id);
}

/* ---- what must be answered ---- */

enum standing {
    STANDING_UNKNOWN, /* there is no such request */
    STANDING_WAITS,   /* it has no answer */
    STANDING_ANSWERED,
    STANDING_UNCLEAR /* its result is being made, or its connection is about to end */
};

static bool has_result(const struct request *request)
{
    const struct group *group = request_group(request);
    if (group) /* of stages and cases, nothing is sent before the result is complete */
        return group->run && group->run->slot->view == VIEW_RESULT &&
               (!request->work.plan || request->work.api);
    return request->is_evaluated; /* it had a job, or needs none */
}

static enum standing standing_of(const struct request *request)
{
    if (!request)
        return STANDING_UNKNOWN;
    bool may_be_read = !request_group(request) && !request->problem[0] && cases_may_be_read(request);
    if (request->is_shut_down || request->must_end || may_be_read)
        return STANDING_UNCLEAR;
    const struct watcher *watcher = request->watcher;
    bool has_begun = request->started && !watcher;
    bool has_end = request->problem[0] || request->hung_up || request->aborted || request->final;
    return has_begun || has_end || has_result(request) ? STANDING_ANSWERED : STANDING_WAITS;
}

static void expect_not_found(const char *what)
{
    const char *type = json_string_value(json_object_get(answer.json, "type"));
    EXPECT(answer.status == 404 && type && !strcmp(type, "/problems/not-found"),
           "%s is answered with %d and %s", what, answer.status, type ? type : "no type");
}

/* ---- GET ---- */

static void count_queued(struct group *group, void *data)
{
    *(size_t *)data += group->state == GROUP_QUEUED;
}

/* The group that is told about: the first one that runs, or else the last one. */
static const struct group *group_of(const struct request *request)
{
    const struct group *found = NULL;
    for (unsigned part = 0; part < PARTS_MAX && !(found && found->state == GROUP_RUNNING); part++)
        found = request->groups[part] ? request->groups[part] : found;
    return found;
}

static const char *state_of(const struct request *request, enum standing standing)
{
    if (standing == STANDING_ANSWERED)
        return "answering";
    const struct group *group = group_of(request);
    return group && group->state == GROUP_RUNNING ? "running" : "queued";
}

static void check_numbers(const struct request *request)
{
    const struct group *group = group_of(request);
    const json_t *position = json_object_get(answer.json, "position");
    const json_t *running = json_object_get(answer.json, "running_ms");
    bool is_queued = group && group->state == GROUP_QUEUED, runs = group && group->state == GROUP_RUNNING;
    size_t queued = 0;
    book_each(count_queued, &queued);
    EXPECT(json_is_integer(position) == is_queued && json_is_integer(running) == runs,
           "the numbers of request %u do not belong to its state", request->number);
    EXPECT(!is_queued ||
               (json_integer_value(position) >= 1 && json_integer_value(position) <= (json_int_t)queued),
           "request %u is at position %lld of %zu", request->number, json_integer_value(position), queued);
    EXPECT(!runs || json_integer_value(running) == (json_int_t)((clock_us - group->started_us) / 1000),
           "request %u runs for %lld ms", request->number, json_integer_value(running));
}

static void check_state(const struct request *request, enum standing standing)
{
    const char *state = json_string_value(json_object_get(answer.json, "state"));
    const char *expected = state_of(request, standing);
    EXPECT(answer.status == 200 && state && !strcmp(state, expected),
           "the state of request %u is told as %s, and is %s", request->number, state ? state : "nothing",
           expected);
    if (standing == STANDING_WAITS)
        check_numbers(request);
}

/* ---- DELETE ---- */

static void check_canceled(struct request *request)
{
    book_sync();
    EXPECT(answer.status == 204, "cancelling request %u is answered with %d", request->number, answer.status);
    EXPECT(!strcmp(request->problem, "canceled"), "request %u was cancelled, and is answered with '%s'",
           request->number, request->problem);
    EXPECT(!request_group(request), "request %u was cancelled, and waits for a job", request->number);
    canceled++;
}

/* ---- acting ---- */

static void check(struct request *request, enum standing standing, bool cancels)
{
    if (standing == STANDING_UNKNOWN)
        expect_not_found("a question about an unknown job");
    else if (standing == STANDING_UNCLEAR)
        return;
    else if (!cancels)
        check_state(request, standing);
    else if (standing == STANDING_ANSWERED)
        expect_not_found("cancelling an answered request");
    else
        check_canceled(request);
}

void client_ask(void)
{
    char id[80];
    unsigned client = choose(CLIENTS);
    bool cancels = chance(50);
    choose_id(id);
    book_sync();
    struct request *request = find_request(id);
    enum standing standing = standing_of(request);
    TRACE("client %u %s '%s', which is %s of request %u", client, cancels ? "cancels" : "asks for", id,
          standing == STANDING_WAITS ? "that" : "not that", request ? request->number : 0);
    bool may_cancel = cancels && standing != STANDING_ANSWERED && standing != STANDING_UNKNOWN;
    if (may_cancel)
        request->is_canceled = true;
    ask(client, id, cancels);
    if (question_is_limited(client)) {
        if (may_cancel)
            request->is_canceled = false;
        return;
    }
    check(request, standing, cancels);
}
