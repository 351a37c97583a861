/* A request's way to a result: let in or refused, answered from the cache, or waiting for a task. How the
 * response goes out is lb/api/exchange_response.c. */
#include "lb/api/exchange.h"

#include "base/io.h"
#include "base/log.h"
#include "lb/api/job_status.h"
#include "lb/edge/connection.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "lb/piston/piston.h"
#include "lb/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The most that Retry-After asks for: a queue can clear faster than it looks. */
enum { RETRY_AFTER_MAX_S = 60, PREFER_WAIT_MAX_S = 600 };

enum { WHOLE_MAX = 256 * 1024 }; /* bytes of a request that is remembered as a whole */

void run_leave(struct run *run)
{
    hangup_unwatch(connection_hangup(run->connection));
    list_remove(&run->in_waiting);
    task_leave(run);
}

static const char *source_name(const struct run *run)
{
    static const char *const names[] = {"run", "joined", "cached", "stored"};
    return names[run->source];
}

/* libh2o's request ends, for whatever reason. */
static void on_dispose(void *memory)
{
    struct run *run = memory;
    struct server *server = run->server;
    run_leave(run);
    job_status_leave(run);
    list_remove(&run->in_answering);
    h2o_timeout_unlink(&run->stall_entry);
    h2o_timeout_unlink(&run->turn_entry);
    if (run->client)
        client_leave(&server->clients, run->client);
    connection_idle(run->connection);
    server->shedding -= run->shed;
    uint64_t took_us = pe_now_us() - run->arrived_us;
    metrics_request(&server->metrics, run->outcome[0] ? run->outcome : "connection-lost", took_us);
    pe_log_about(PE_LOG_INFO, run->id, "job: image %s, %s, %s, %llu ms",
                 run->request.job.image ? run->request.job.image : "?",
                 run->outcome[0] ? run->outcome : "connection lost", source_name(run),
                 (unsigned long long)took_us / 1000);
    response_free(&run->response);
    pe_buf_free(&run->sending);
    run_request_free(&run->request);
    piston_request_free(&run->piston);
    server_run_ended(server);
}

void run_answer_problem(struct run *run, const struct pe_problem *problem)
{
    run_leave(run);
    snprintf(run->outcome, sizeof run->outcome, "%s", problem->type);
    if (run->is_piston)
        piston_answer_problem(run->req, problem);
    else
        answer_problem(run->req, problem);
}

/* ---- refusing ---- */

static unsigned retry_after_s(uint64_t wait_us)
{
    uint64_t seconds = wait_us / 1000000 + 1;
    return seconds < RETRY_AFTER_MAX_S ? (unsigned)seconds : RETRY_AFTER_MAX_S;
}

static struct pe_problem no_worker(void)
{
    return problem_make("no-worker", "no worker host is connected; start one with pe-worker --server URL");
}

/* The queue is full, or was too slow for this job. */
static struct pe_problem no_capacity(const struct run *run, const char *what)
{
    const struct server *server = run->server;
    const struct sched_client *client = run->client ? &run->client->turns : NULL;
    uint64_t wait_us = task_expected_wait_us(server, client);
    struct pe_problem problem = problem_make(
        "no-capacity",
        "%s; %zu jobs are waiting, %zu of them before one of yours, which would take about %.1f s", what,
        server->scheduler.queued_count, scheduler_jobs_ahead(&server->scheduler, client),
        (double)wait_us / 1e6);
    problem.retry_after_s = retry_after_s(wait_us);
    return problem;
}

static struct pe_problem unknown_image(const struct server *server, const char *image)
{
    struct catalog_near near = {0};
    list_for_each(node, &server->scheduler.hosts)
    {
        catalog_near_add(&near, &list_entry(node, struct sched_host, in_hosts)->catalog, image);
    }
    if (near.count == 0)
        return problem_make("unknown-image", "no worker host has an image '%s'; GET /v1/images lists them",
                            image);
    char names[CATALOG_NEAR_MAX * 260] = "";
    for (size_t i = 0; i < near.count; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s'%s'", i ? ", " : "", near.names[i]);
    }
    return problem_make("unknown-image", "no worker host has an image '%s'; there is %s", image, names);
}

/* ---- while it waits or runs ---- */

static void on_hangup(void *data)
{
    struct run *run = data;
    run_disconnect(run);
    if (run->started) {
        snprintf(run->outcome, sizeof run->outcome, "canceled");
        run_abort_response(run);
        return;
    }
    /* Nobody reads this answer; giving one is how libh2o gets to close the connection. */
    struct pe_problem problem = problem_make("canceled", "the client went away");
    run->req->http1_is_persistent = 0;
    run_answer_problem(run, &problem);
}

void run_on_deadline(struct run *run)
{
    char what[96];
    snprintf(what, sizeof what, "no slot became free for the job within %llu ms",
             (unsigned long long)(run->deadline_us - run->arrived_us) / 1000);
    struct pe_problem problem = run->server->scheduler.host_count ? no_capacity(run, what) : no_worker();
    run_answer_problem(run, &problem);
}

void run_on_start(struct run *run)
{
    list_remove(&run->in_waiting);
    run->started_us = pe_now_us();
}

void run_on_problem(struct run *run, const struct pe_problem *problem)
{
    struct pe_problem forwarded = problem ? *problem : no_capacity(run, "as many jobs as may are waiting");
    if (problem && (forwarded.status == 503 || forwarded.status == 429))
        forwarded.retry_after_s = 1;
    run_answer_problem(run, &forwarded);
}

/* ---- the request ---- */

static h2o_iovec_t header_value(const h2o_req_t *req, const h2o_token_t *token)
{
    ssize_t at = h2o_find_header(&req->headers, token, -1);
    return at < 0 ? (h2o_iovec_t){NULL, 0} : req->headers.entries[at].value;
}

static bool header_says(const h2o_req_t *req, const h2o_token_t *token, const char *word)
{
    h2o_iovec_t value = header_value(req, token);
    return value.len && h2o_contains_token(value.base, value.len, word, strlen(word), ',');
}

/* How long the job may wait: the service's limit or, when that is less, the client's (RFC 7240, `wait`). */
static uint64_t allowed_wait_us(const struct run *run)
{
    uint64_t most_us = run->server->queue_wait_us;
    ssize_t at = h2o_find_header_by_str(&run->req->headers, H2O_STRLIT("prefer"), -1);
    if (at < 0)
        return most_us;
    h2o_iovec_t value = run->req->headers.entries[at].value;
    if (value.len < 6 || value.len > 9 || strncasecmp(value.base, "wait=", 5) != 0)
        return most_us;
    size_t seconds = h2o_strtosize(value.base + 5, value.len - 5);
    return seconds <= PREFER_WAIT_MAX_S && seconds * 1000000 < most_us ? seconds * 1000000 : most_us;
}

static void choose_caching(struct run *run)
{
    if (!run->request.job.cache || header_says(run->req, H2O_TOKEN_CACHE_CONTROL, "no-store"))
        run->caching = RUN_CACHE_NONE;
    else if (header_says(run->req, H2O_TOKEN_CACHE_CONTROL, "no-cache"))
        run->caching = RUN_CACHE_REFRESH;
}

/* What can be said before the body is read; a problem without a status when all is well. */
static struct pe_problem check_head(struct run *run)
{
    if (run->server->draining && !connection_is_new(run->connection)) {
        run->req->http1_is_persistent = 0;
        return problem_make("no-capacity", "the balancer is shutting down");
    }
    run->format = RESPONSE_JSON;
    if (run->is_piston)
        return (struct pe_problem){0};
    h2o_iovec_t accept = header_value(run->req, H2O_TOKEN_ACCEPT);
    run->format = negotiate_format(accept.base, accept.len);
    if (run->format == RESPONSE_FORMATS)
        return problem_make("not-acceptable", "results come as %s, %s or %s", response_media_types[0],
                            response_media_types[1], response_media_types[2]);
    return (struct pe_problem){0};
}

static struct pe_problem read_body(struct run *run)
{
    h2o_req_t *req = run->req;
    struct pe_error err;
    h2o_iovec_t type = header_value(req, H2O_TOKEN_CONTENT_TYPE);
    if (run->is_piston)
        return piston_request_read(req->entity.base, req->entity.len, &run->piston, &err) < 0
                   ? pe_problem_from_error(&err)
                   : (struct pe_problem){0};
    if (run_request_parse(type.base, type.len, req->entity.base, req->entity.len, &run->request, &err) < 0)
        return pe_problem_from_error(&err);
    choose_caching(run);
    return (struct pe_problem){0};
}

/* Limits of the client. */
static struct pe_problem let_in(struct run *run)
{
    struct server *server = run->server;
    struct pe_error err;
    unsigned retry_s = 0;
    struct peer peer = peer_of_request(&server->trusted, run->req);
    run->client = client_enter(&server->clients, &peer, run->arrived_us, &retry_s, &err);
    if (run->client)
        return (struct pe_problem){0};
    if (err.kind != PE_ERR_BUSY)
        return pe_problem_from_error(&err);
    struct pe_problem problem = problem_make("too-many-requests", "%s", err.message);
    problem.retry_after_s = retry_s;
    return problem;
}

/* ---- finding the result, or somebody who makes it ---- */

int run_make_key(struct run *run, struct pe_error *err)
{
    const struct catalog_entry *entry = scheduler_find_image(&run->server->scheduler, run->request.job.image);
    if (!run->has_key && entry && job_key_make(&run->request, entry->identity, &run->key, err) < 0)
        return -1;
    run->has_key |= entry != NULL;
    return 0;
}

/* Hashing all files of a job costs as much as everything else about it, and is of use for what may be stored
 * or held back only. */
static bool needs_key(const struct run *run)
{
    return run->caching != RUN_CACHE_NONE || run->server->poison.count > 0;
}

static bool is_poison(struct run *run)
{
    struct server *server = run->server;
    struct pe_error err;
    if (!run->has_key || !poison_holds(&server->poison, &run->key, run->arrived_us))
        return false;
    struct outcome *outcome =
        outcome_vm_error(&server->outcome_bytes, run->request.job.image, run->digest,
                         "this job killed two slots of workers a while ago: it is held back", &err);
    if (!outcome)
        return false;
    run_on_outcome(run, outcome);
    outcome_unref(outcome);
    return true;
}

static void answer_hit(struct run *run, struct outcome *outcome)
{
    run->source = RUN_HIT_MEMORY;
    const struct rendered *rendered = response_rendered(outcome, run->format);
    if (rendered)
        run_send_rendered(run, outcome, rendered);
    else
        run_on_outcome(run, outcome);
}

/* The hash of the request as it came, if it is one to be remembered as a whole. */
static bool hash_whole(struct run *run)
{
    struct pe_error err;
    h2o_iovec_t type = header_value(run->req, H2O_TOKEN_CONTENT_TYPE), body = run->req->entity;
    if (!run->has_whole && !run->is_piston && body.len <= WHOLE_MAX &&
        h2o_find_header(&run->req->headers, H2O_TOKEN_CACHE_CONTROL, -1) < 0)
        run->has_whole = job_key_of_request(type.base, type.len, body.base, body.len, &run->whole, &err) == 0;
    return run->has_whole;
}

static bool is_cached(struct run *run)
{
    struct server *server = run->server;
    struct outcome *outcome = cache_find(&server->cache, &run->key);
    if (!outcome)
        return false;
    if (hash_whole(run))
        cache_note_request(&server->cache, &run->key, &run->whole, run->request.job.image);
    answer_hit(run, outcome);
    return true;
}

/* The very same request was answered from the cache before: it need not be read, only its image must still
 * mean the same. */
static bool is_repeated(struct run *run)
{
    struct server *server = run->server;
    const char *image = NULL;
    if (!server->cache.requests || !hash_whole(run))
        return false;
    struct outcome *outcome = cache_find_request(&server->cache, &run->whole, &run->key, &image);
    const struct catalog_entry *entry = outcome ? scheduler_find_image(&server->scheduler, image) : NULL;
    if (!entry || strcmp(entry->digest, outcome->result.image_digest) != 0)
        return false;
    answer_hit(run, outcome);
    return true;
}

/* Only now is the client watched: an answer from the cache needs no watch, and is the commonest. */
static int watch_client(struct run *run, struct pe_error *err)
{
    struct server *server = run->server;
    list_append(&server->waiting, &run->in_waiting);
    server_watch_deadlines(server);
    if (run->req->version >= 0x200)
        return 0; /* libh2o reads HTTP/2 all the time, and ends the request by itself */
    h2o_socket_t *sock = run->req->conn->callbacks->get_socket(run->req->conn);
    connection_leave_polled(run->connection);
    return hangup_watch(&server->hangup, connection_hangup(run->connection), h2o_socket_get_fd(sock),
                        on_hangup, run, err);
}

static void begin_task(struct run *run)
{
    struct server *server = run->server;
    struct pe_error err;
    bool share = run->caching == RUN_CACHE_USE && run->digest[0];
    struct task *task = share ? task_find(server, &run->key) : NULL;
    if (watch_client(run, &err) == 0 && task) {
        run->source = RUN_COLLAPSED;
        task_join(task, run);
        return;
    }
    if (task_begin(run, share, &err) == 0) {
        server_dispatch(server);
        return;
    }
    struct pe_problem problem =
        err.kind == PE_ERR_BUSY ? no_capacity(run, err.message) : pe_problem_from_error(&err);
    run_answer_problem(run, &problem);
}

/* A Piston request becomes a job when a runtime is found for it; a problem without a status when it is one.
 */
static struct pe_problem resolve_piston(struct run *run)
{
    struct server *server = run->server;
    struct pe_error err;
    if (server->scheduler.host_count == 0)
        return no_worker();
    if (piston_request_resolve(&run->piston, &server->scheduler, &server->settings->piston, &run->request,
                               &err) < 0)
        return pe_problem_from_error(&err);
    run->caching = RUN_CACHE_NONE;
    return (struct pe_problem){0};
}

void run_on_hosts(struct run *run)
{
    struct server *server = run->server;
    struct pe_error err;
    hangup_unwatch(connection_hangup(run->connection));
    list_remove(&run->in_waiting);
    if (run->is_piston) {
        struct pe_problem problem = resolve_piston(run);
        if (problem.status) {
            run_answer_problem(run, &problem);
            return;
        }
    }
    const char *image = run->request.job.image;
    const struct catalog_entry *entry = scheduler_find_image(&server->scheduler, image);
    if (!entry) {
        struct pe_problem problem = server->scheduler.host_count ? unknown_image(server, image) : no_worker();
        run_answer_problem(run, &problem);
        return;
    }
    snprintf(run->digest, sizeof run->digest, "%s", entry->digest);
    if (needs_key(run) && run_make_key(run, &err) < 0) {
        struct pe_problem problem = pe_problem_from_error(&err);
        run_answer_problem(run, &problem);
        return;
    }
    if (!is_poison(run) && !(run->caching == RUN_CACHE_USE && is_cached(run)))
        begin_task(run);
}

bool run_has_image(const struct run *run)
{
    const struct scheduler *scheduler = &run->server->scheduler;
    return run->is_piston ? piston_request_fits(&run->piston, scheduler)
                          : scheduler_find_image(scheduler, run->request.job.image) != NULL;
}

/* Just after the start, workers are still on their way: an image may be unknown only for now. */
static bool must_wait_for_hosts(struct run *run)
{
    struct server *server = run->server;
    struct pe_error err;
    if (!server->gathering || run_has_image(run))
        return false;
    if (watch_client(run, &err) == 0)
        return true;
    list_remove(&run->in_waiting);
    return false;
}

static void accept_request(struct server *server, h2o_req_t *req, bool is_piston)
{
    struct run *run = h2o_mem_alloc_shared(&req->pool, sizeof *run, on_dispose);
    *run = (struct run){.server = server, .req = req, .arrived_us = pe_now_us(), .is_piston = is_piston};
    run->stall_entry.cb = run_on_stall;
    run->turn_entry.cb = run_on_turn;
    run->deadline_us = run->arrived_us + allowed_wait_us(run);
    run->connection = connection_of(req->conn->callbacks->get_socket(req->conn));
    connection_busy(run->connection);
    server->runs++;
    job_status_enter(run);
    answer_header(req, "x-request-id", run->id);
    struct pe_problem problem = check_head(run);
    if (!problem.status)
        problem = let_in(run);
    if (!problem.status && is_repeated(run))
        return;
    if (!problem.status)
        problem = read_body(run);
    if (problem.status)
        run_answer_problem(run, &problem);
    else if (!must_wait_for_hosts(run))
        run_on_hosts(run);
}

void run_accept(struct server *server, h2o_req_t *req)
{
    accept_request(server, req, false);
}

void run_accept_piston(struct server *server, h2o_req_t *req)
{
    accept_request(server, req, true);
}
