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

enum { HASHED_BODY_MAX = 256 * 1024 }; /* bytes of a request that is remembered as a whole */

void exchange_leave(struct exchange *exchange)
{
    hangup_unwatch(connection_hangup(exchange->connection));
    list_remove(&exchange->in_waiting);
    job_leave(exchange);
}

static const char *source_name(const struct exchange *exchange)
{
    static const char *const names[] = {"run", "joined", "cached", "stored"};
    return names[exchange->source];
}

/* libh2o's request ends, for whatever reason. */
static void on_dispose(void *memory)
{
    struct exchange *exchange = memory;
    struct server *server = exchange->server;
    exchange_leave(exchange);
    job_status_leave(exchange);
    list_remove(&exchange->in_responding);
    h2o_timeout_unlink(&exchange->stall_entry);
    h2o_timeout_unlink(&exchange->tick_entry);
    if (exchange->client)
        client_leave(&server->clients, exchange->client);
    connection_idle(exchange->connection);
    server->shedding -= exchange->shed;
    uint64_t took_us = pe_now_us() - exchange->arrived_us;
    metrics_request(&server->metrics, exchange->log_status[0] ? exchange->log_status : "connection-lost",
                    took_us);
    pe_log_about(PE_LOG_INFO, exchange->id, "job: image %s, %s, %s, %llu ms",
                 exchange->submission.spec.image ? exchange->submission.spec.image : "?",
                 exchange->log_status[0] ? exchange->log_status : "connection lost", source_name(exchange),
                 (unsigned long long)took_us / 1000);
    result_encoder_free(&exchange->encoder);
    pe_buf_free(&exchange->sending);
    submission_free(&exchange->submission);
    piston_request_free(&exchange->piston);
    server_exchange_ended(server);
}

void exchange_send_problem(struct exchange *exchange, const struct pe_problem *problem)
{
    exchange_leave(exchange);
    snprintf(exchange->log_status, sizeof exchange->log_status, "%s", problem->type);
    if (exchange->is_piston)
        piston_send_problem(exchange->req, problem);
    else
        http_reply_problem(exchange->req, problem);
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
static struct pe_problem no_capacity(const struct exchange *exchange, const char *what)
{
    const struct server *server = exchange->server;
    const struct client_queue *client = exchange->client ? &exchange->client->turns : NULL;
    uint64_t wait_us = job_expected_wait_us(server, client);
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
    struct pe_image_suggestions suggestions = {.reference = image};
    list_for_each(node, &server->scheduler.workers)
    {
        catalog_suggest(&list_entry(node, struct worker, in_workers)->catalog, &suggestions);
    }
    if (suggestions.count == 0)
        return problem_make("unknown-image", "no worker has an image '%s'; GET /v1/images lists the images",
                            image);
    struct pe_problem problem = problem_make("unknown-image", "no worker has an image '%s'", image);
    pe_image_suggestions_append(&suggestions, problem.detail, sizeof problem.detail);
    return problem;
}

/* ---- while it waits or runs ---- */

static void on_hangup(void *data)
{
    struct exchange *exchange = data;
    exchange_disconnect(exchange);
    if (exchange->started) {
        snprintf(exchange->log_status, sizeof exchange->log_status, "canceled");
        exchange_abort(exchange);
        return;
    }
    /* Nobody reads this answer; giving one is how libh2o gets to close the connection. */
    struct pe_problem problem = problem_make("canceled", "the client went away");
    exchange->req->http1_is_persistent = 0;
    exchange_send_problem(exchange, &problem);
}

void exchange_on_deadline(struct exchange *exchange)
{
    char what[96];
    snprintf(what, sizeof what, "no slot became free for the job within %llu ms",
             (unsigned long long)(exchange->deadline_us - exchange->arrived_us) / 1000);
    struct pe_problem problem =
        exchange->server->scheduler.worker_count ? no_capacity(exchange, what) : no_worker();
    exchange_send_problem(exchange, &problem);
}

void exchange_on_start(struct exchange *exchange)
{
    list_remove(&exchange->in_waiting);
    exchange->started_us = pe_now_us();
}

void exchange_on_problem(struct exchange *exchange, const struct pe_problem *problem)
{
    struct pe_problem forwarded =
        problem ? *problem : no_capacity(exchange, "as many jobs as may are waiting");
    if (problem && (forwarded.status == 503 || forwarded.status == 429))
        forwarded.retry_after_s = 1;
    exchange_send_problem(exchange, &forwarded);
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
static uint64_t allowed_wait_us(const struct exchange *exchange)
{
    uint64_t most_us = exchange->server->queue_wait_us;
    ssize_t at = h2o_find_header_by_str(&exchange->req->headers, H2O_STRLIT("prefer"), -1);
    if (at < 0)
        return most_us;
    h2o_iovec_t value = exchange->req->headers.entries[at].value;
    if (value.len < 6 || value.len > 9 || strncasecmp(value.base, "wait=", 5) != 0)
        return most_us;
    size_t seconds = h2o_strtosize(value.base + 5, value.len - 5);
    return seconds <= PREFER_WAIT_MAX_S && seconds * 1000000 < most_us ? seconds * 1000000 : most_us;
}

static void choose_caching(struct exchange *exchange)
{
    if (!exchange->submission.spec.cache || header_says(exchange->req, H2O_TOKEN_CACHE_CONTROL, "no-store"))
        exchange->caching = CACHING_NONE;
    else if (header_says(exchange->req, H2O_TOKEN_CACHE_CONTROL, "no-cache"))
        exchange->caching = CACHING_REFRESH;
}

/* What can be said before the body is read; a problem without a status when all is well. */
static struct pe_problem check_head(struct exchange *exchange)
{
    if (exchange->server->draining && !connection_is_new(exchange->connection)) {
        exchange->req->http1_is_persistent = 0;
        return problem_make("no-capacity", "the balancer is shutting down");
    }
    exchange->format = RESULT_JSON;
    if (exchange->is_piston)
        return (struct pe_problem){0};
    h2o_iovec_t accept = header_value(exchange->req, H2O_TOKEN_ACCEPT);
    exchange->format = negotiate_format(accept.base, accept.len);
    if (exchange->format == RESULT_FORMATS)
        return problem_make("not-acceptable", "results come as %s, %s or %s", result_media_types[0],
                            result_media_types[1], result_media_types[2]);
    return (struct pe_problem){0};
}

static struct pe_problem read_body(struct exchange *exchange)
{
    h2o_req_t *req = exchange->req;
    struct pe_error err;
    h2o_iovec_t type = header_value(req, H2O_TOKEN_CONTENT_TYPE);
    if (exchange->is_piston)
        return piston_request_read(req->entity.base, req->entity.len, &exchange->piston, &err) < 0
                   ? pe_problem_from_error(&err)
                   : (struct pe_problem){0};
    if (submission_parse(type.base, type.len, req->entity.base, req->entity.len, &exchange->submission,
                         &err) < 0)
        return pe_problem_from_error(&err);
    choose_caching(exchange);
    return (struct pe_problem){0};
}

/* Limits of the client. */
static struct pe_problem let_in(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct pe_error err;
    unsigned retry_s = 0;
    struct peer peer = peer_of_request(&server->trusted, exchange->req);
    exchange->client = client_enter(&server->clients, &peer, exchange->arrived_us, &retry_s, &err);
    if (exchange->client)
        return (struct pe_problem){0};
    if (err.kind != PE_ERR_BUSY)
        return pe_problem_from_error(&err);
    struct pe_problem problem = problem_make("too-many-requests", "%s", err.message);
    problem.retry_after_s = retry_s;
    return problem;
}

/* ---- finding the result, or somebody who makes it ---- */

int exchange_make_key(struct exchange *exchange, struct pe_error *err)
{
    const struct catalog_entry *entry =
        scheduler_find_image(&exchange->server->scheduler, exchange->submission.spec.image);
    if (!exchange->has_key && entry &&
        job_key_make(&exchange->submission, entry->identity, &exchange->key, err) < 0)
        return -1;
    exchange->has_key |= entry != NULL;
    return 0;
}

/* Hashing all files of a job costs as much as everything else about it, and is of use for what may be stored
 * or held back only. */
static bool needs_key(const struct exchange *exchange)
{
    return exchange->caching != CACHING_NONE || exchange->server->poison.count > 0;
}

static bool is_poison(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct pe_error err;
    if (!exchange->has_key || !poison_holds(&server->poison, &exchange->key, exchange->arrived_us))
        return false;
    struct job_result *result =
        job_result_vm_error(&server->result_bytes, exchange->submission.spec.image, exchange->digest,
                            "this job killed two slots of workers a while ago: it is held back", &err);
    if (!result)
        return false;
    exchange_on_result(exchange, result);
    job_result_unref(result);
    return true;
}

static void send_hit(struct exchange *exchange, struct job_result *result)
{
    exchange->source = SOURCE_HIT_MEMORY;
    const struct rendered *rendered = result_encoder_rendered(result, exchange->format);
    if (rendered)
        exchange_send_rendered(exchange, result, rendered);
    else
        exchange_on_result(exchange, result);
}

/* The hash of the request as it came, if it is one to be remembered as a whole. */
static bool hash_body(struct exchange *exchange)
{
    struct pe_error err;
    h2o_iovec_t type = header_value(exchange->req, H2O_TOKEN_CONTENT_TYPE), body = exchange->req->entity;
    if (!exchange->has_body_hash && !exchange->is_piston && body.len <= HASHED_BODY_MAX &&
        h2o_find_header(&exchange->req->headers, H2O_TOKEN_CACHE_CONTROL, -1) < 0)
        exchange->has_body_hash =
            job_key_of_body(type.base, type.len, body.base, body.len, &exchange->body_hash, &err) == 0;
    return exchange->has_body_hash;
}

static bool is_cached(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct job_result *result = cache_find(&server->cache, &exchange->key);
    if (!result)
        return false;
    if (hash_body(exchange))
        cache_note_body(&server->cache, &exchange->key, &exchange->body_hash,
                        exchange->submission.spec.image);
    send_hit(exchange, result);
    return true;
}

/* The very same request was answered from the cache before: it need not be read, only its image must still
 * mean the same. */
static bool is_repeated(struct exchange *exchange)
{
    struct server *server = exchange->server;
    const char *image = NULL;
    if (!server->cache.by_body || !hash_body(exchange))
        return false;
    struct job_result *result =
        cache_find_by_body(&server->cache, &exchange->body_hash, &exchange->key, &image);
    const struct catalog_entry *entry = result ? scheduler_find_image(&server->scheduler, image) : NULL;
    if (!entry || strcmp(entry->digest, result->fields.image_digest) != 0)
        return false;
    send_hit(exchange, result);
    return true;
}

/* Only now is the client watched: an answer from the cache needs no watch, and is the commonest. */
static int watch_client(struct exchange *exchange, struct pe_error *err)
{
    struct server *server = exchange->server;
    list_append(&server->waiting, &exchange->in_waiting);
    server_watch_deadlines(server);
    if (exchange->req->version >= 0x200)
        return 0; /* libh2o reads HTTP/2 all the time, and ends the request by itself */
    h2o_socket_t *sock = exchange->req->conn->callbacks->get_socket(exchange->req->conn);
    connection_leave_polled(exchange->connection);
    return hangup_watch(&server->hangup, connection_hangup(exchange->connection), h2o_socket_get_fd(sock),
                        on_hangup, exchange, err);
}

static void begin_job(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct pe_error err;
    bool share = exchange->caching == CACHING_USE && exchange->digest[0];
    struct job *job = share ? job_find(server, &exchange->key) : NULL;
    if (watch_client(exchange, &err) == 0 && job) {
        exchange->source = SOURCE_COLLAPSED;
        job_join(job, exchange);
        return;
    }
    if (job_begin(exchange, share, &err) == 0) {
        server_dispatch(server);
        return;
    }
    struct pe_problem problem =
        err.kind == PE_ERR_BUSY ? no_capacity(exchange, err.message) : pe_problem_from_error(&err);
    exchange_send_problem(exchange, &problem);
}

/* A Piston request becomes a job when a runtime is found for it; a problem without a status when it is one.
 */
static struct pe_problem resolve_piston(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct pe_error err;
    if (server->scheduler.worker_count == 0)
        return no_worker();
    if (piston_request_resolve(&exchange->piston, &server->scheduler, &server->settings->piston,
                               &exchange->submission, &err) < 0)
        return pe_problem_from_error(&err);
    exchange->caching = CACHING_NONE;
    return (struct pe_problem){0};
}

void exchange_on_workers(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct pe_error err;
    hangup_unwatch(connection_hangup(exchange->connection));
    list_remove(&exchange->in_waiting);
    if (exchange->is_piston) {
        struct pe_problem problem = resolve_piston(exchange);
        if (problem.status) {
            exchange_send_problem(exchange, &problem);
            return;
        }
    }
    const char *image = exchange->submission.spec.image;
    const struct catalog_entry *entry = scheduler_find_image(&server->scheduler, image);
    if (!entry) {
        struct pe_problem problem =
            server->scheduler.worker_count ? unknown_image(server, image) : no_worker();
        exchange_send_problem(exchange, &problem);
        return;
    }
    snprintf(exchange->digest, sizeof exchange->digest, "%s", entry->digest);
    if (needs_key(exchange) && exchange_make_key(exchange, &err) < 0) {
        struct pe_problem problem = pe_problem_from_error(&err);
        exchange_send_problem(exchange, &problem);
        return;
    }
    if (!is_poison(exchange) && !(exchange->caching == CACHING_USE && is_cached(exchange)))
        begin_job(exchange);
}

bool exchange_has_image(const struct exchange *exchange)
{
    const struct scheduler *scheduler = &exchange->server->scheduler;
    return exchange->is_piston ? piston_request_fits(&exchange->piston, scheduler)
                               : scheduler_find_image(scheduler, exchange->submission.spec.image) != NULL;
}

/* Just after the start, workers are still on their way: an image may be unknown only for now. */
static bool must_wait_for_workers(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct pe_error err;
    if (!server->gathering || exchange_has_image(exchange))
        return false;
    if (watch_client(exchange, &err) == 0)
        return true;
    list_remove(&exchange->in_waiting);
    return false;
}

static void accept_request(struct server *server, h2o_req_t *req, bool is_piston)
{
    struct exchange *exchange = h2o_mem_alloc_shared(&req->pool, sizeof *exchange, on_dispose);
    *exchange =
        (struct exchange){.server = server, .req = req, .arrived_us = pe_now_us(), .is_piston = is_piston};
    exchange->stall_entry.cb = exchange_on_stall;
    exchange->tick_entry.cb = exchange_on_turn;
    exchange->deadline_us = exchange->arrived_us + allowed_wait_us(exchange);
    exchange->connection = connection_of(req->conn->callbacks->get_socket(req->conn));
    connection_busy(exchange->connection);
    server->exchanges++;
    job_status_enter(exchange);
    http_reply_header(req, "x-request-id", exchange->id);
    struct pe_problem problem = check_head(exchange);
    if (!problem.status)
        problem = let_in(exchange);
    if (!problem.status && is_repeated(exchange))
        return;
    if (!problem.status)
        problem = read_body(exchange);
    if (problem.status)
        exchange_send_problem(exchange, &problem);
    else if (!must_wait_for_workers(exchange))
        exchange_on_workers(exchange);
}

void exchange_accept(struct server *server, h2o_req_t *req)
{
    accept_request(server, req, false);
}

void exchange_accept_piston(struct server *server, h2o_req_t *req)
{
    accept_request(server, req, true);
}
