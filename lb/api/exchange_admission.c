/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a request to a result: it is let in or refused, answered from the cache, or waits
 * for a job. How the response is sent is exchange_response.c's part. */
#include "lb/api/exchange.h"

#include "base/io.h"
#include "lb/api/exchange_ids.h"
#include "lb/api/refusals.h"
#include "lb/api/trace_header.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

enum {
    PREFER_WAIT_MAX_S = 600,
    HASHED_BODY_MAX = 256 * 1024, /* bytes; larger bodies are parsed each time */
};

static const struct pe_problem no_problem;

/* ---- while it waits or runs ---- */

static struct exchange *from_waiter(struct job_waiter *waiter)
{
    return pe_list_entry(waiter, struct exchange, waiter);
}

static void on_start(struct job_waiter *waiter)
{
    struct exchange *exchange = from_waiter(waiter);
    deadline_pause(&exchange->deadline);
    exchange->started_us = exchange->pays_since_us = pe_now_us();
    exchange_note_worker(exchange);
    exchange_events_start(exchange);
}

static void on_output(struct job_waiter *waiter)
{
    exchange_events_output(from_waiter(waiter));
}

static void on_result(struct job_waiter *waiter, struct job_result *result, bool stored)
{
    struct exchange *exchange = from_waiter(waiter);
    if (stored && exchange->source == SOURCE_FORWARDED)
        exchange->source = SOURCE_HIT_STORE;
    exchange_send_result(exchange, result);
}

static void on_progress(struct job_waiter *waiter)
{
    exchange_on_progress(from_waiter(waiter));
}

static void on_lost(struct job_waiter *waiter)
{
    exchange_on_lost(from_waiter(waiter));
}

static void on_returned(struct job_waiter *waiter)
{
    exchange_on_returned(from_waiter(waiter));
}

static void on_problem(struct job_waiter *waiter, const struct pe_problem *problem)
{
    exchange_send_forwarded(from_waiter(waiter), problem);
}

static void on_queue_full(struct job_waiter *waiter)
{
    exchange_refuse_for_queue(from_waiter(waiter));
}

static void on_given_up(struct job_waiter *waiter, unsigned tries)
{
    exchange_give_up(from_waiter(waiter), tries);
}

static void on_hangup(void *data)
{
    struct exchange *exchange = data;
    connection_shut_down(exchange->req);
    if (exchange->started) {
        snprintf(exchange->log_status, sizeof exchange->log_status, "canceled");
        exchange_abort(exchange);
        return;
    }
    /* Nobody reads this reply, but libh2o only closes the connection after a reply. */
    struct pe_problem problem = problem_make("canceled", "the client went away");
    exchange->req->http1_is_persistent = 0;
    exchange_send_problem(exchange, &problem);
}

/* Why no worker that is connected now can run the job, or a problem with the status 0: the workers
 * may have gone while it waited. A dialect may not have chosen the image yet. */
static struct pe_problem missing_worker(const struct exchange *exchange)
{
    const struct scheduler *scheduler = exchange->exchanges->jobs->scheduler;
    const struct pe_job_spec *spec = &exchange->submission.spec;
    if (scheduler->known_count == 0)
        return refusal_no_worker();
    if (!spec->image || scheduler_find_image(scheduler, spec->image, spec->isolation))
        return no_problem;
    return refusal_no_suitable_worker(scheduler, spec);
}

static void on_deadline(struct deadline *deadline)
{
    struct exchange *exchange = pe_list_entry(deadline, struct exchange, deadline);
    struct pe_problem problem = missing_worker(exchange);
    if (problem.status) {
        exchange_send_problem(exchange, &problem);
        return;
    }
    char what[96];
    snprintf(what, sizeof what, "no slot became free for the job within %llu ms",
             (unsigned long long)exchange->wait_us / 1000);
    exchange_refuse_for_capacity(exchange, what);
}

/* From now on the exchange waits: for workers, or for a job. The client is watched only here,
 * because the most frequent response comes from the cache and does not wait. */
static int begin_waiting(struct exchange *exchange, struct pe_error *err)
{
    deadline_watch(exchange->exchanges->deadlines, &exchange->deadline);
    if (exchange->req->version >= 0x200)
        return 0; /* libh2o reads HTTP/2 all the time, and ends the request by itself */
    return connection_watch_hangup(exchange->connection, on_hangup, exchange, err);
}

static void stop_waiting(struct exchange *exchange)
{
    connection_unwatch_hangup(exchange->connection);
    deadline_forget(&exchange->deadline);
    exchange_stop_gathering(exchange);
}

/* ---- the request's headers ---- */

static bool header_has(const h2o_req_t *req, const h2o_token_t *token, const char *value)
{
    ssize_t at = h2o_find_header(&req->headers, token, -1);
    if (at < 0)
        return false;
    h2o_iovec_t found = req->headers.entries[at].value;
    return found.len && h2o_contains_token(found.base, found.len, value, strlen(value), ',');
}

/* How long the job may wait: the limit of the service or, if it is less, the client's (RFC 7240,
 * `wait`). */
static uint64_t allowed_wait_us(const struct exchange *exchange)
{
    uint64_t limit_us = exchange->exchanges->queue_wait_us;
    const h2o_headers_t *headers = &exchange->req->headers;
    ssize_t at = h2o_find_header_by_str(headers, H2O_STRLIT("prefer"), -1);
    if (at < 0)
        return limit_us;
    h2o_iovec_t value = headers->entries[at].value;
    if (value.len < 6 || value.len > 9 || strncasecmp(value.base, "wait=", 5) != 0)
        return limit_us;
    size_t seconds = h2o_strtosize(value.base + 5, value.len - 5);
    return seconds <= PREFER_WAIT_MAX_S && seconds * 1000000 < limit_us ? seconds * 1000000 : limit_us;
}

static enum caching_mode choose_caching(const struct exchange *exchange)
{
    const h2o_req_t *req = exchange->req;
    if (!exchange->dialect->shares_results || !exchange->submission.spec.cache ||
        header_has(req, H2O_TOKEN_CACHE_CONTROL, "no-store"))
        return CACHING_NONE;
    return header_has(req, H2O_TOKEN_CACHE_CONTROL, "no-cache") ? CACHING_REFRESH : CACHING_USE;
}

/* ---- admission; these functions return a problem, or one with the status 0 ---- */

/* Check what is known before the body is parsed. */
static struct pe_problem check_head(struct exchange *exchange)
{
    struct pe_error err;
    if (exchange->exchanges->draining && !connection_is_new(exchange->connection)) {
        exchange->req->http1_is_persistent = 0;
        return problem_make("no-capacity", "the balancer is shutting down");
    }
    if (exchange->dialect->choose_format && exchange->dialect->choose_format(exchange, &err) < 0)
        return problem_make("not-acceptable", "%s", err.message);
    if (exchange_events_open(exchange, &err) < 0)
        return pe_problem_from_error(&err);
    return no_problem;
}

/* Find out who the client is, and apply its limits. */
static struct pe_problem let_in(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->exchanges;
    struct pe_error err;
    unsigned retry_s = 0;
    struct client_identity who;
    struct pe_problem refusal = access_identify(exchanges->access, exchange->req, &who);
    if (refusal.status)
        return refusal;
    exchange->client = client_enter(exchanges->clients, &who, exchange->waiter.arrived_us, &retry_s, &err);
    if (exchange->client) {
        exchange->waiter.client = &exchange->client->queue;
        return no_problem;
    }
    if (err.kind != PE_ERR_BUSY)
        return pe_problem_from_error(&err);
    struct pe_problem problem = problem_make("too-many-requests", "%s", err.message);
    problem.retry_after_s = retry_s;
    return problem;
}

static struct pe_problem read_body(struct exchange *exchange)
{
    struct pe_error err;
    if (exchange->dialect->read_body(exchange, &err) < 0 || exchange_cases_open(exchange, &err) < 0)
        return pe_problem_from_error(&err);
    exchange->waiter.bytes = exchange->req->entity.len;
    if (exchange->submission.owns_bytes)
        exchange->waiter.bytes += exchange->submission.total;
    return no_problem;
}

/* ---- the salt of the key ---- */

/* What the client sent as X-Cache-Salt; empty if nothing. */
static h2o_iovec_t sent_salt(const struct exchange *exchange)
{
    const h2o_headers_t *headers = &exchange->req->headers;
    ssize_t at = h2o_find_header_by_str(headers, H2O_STRLIT("x-cache-salt"), -1);
    return at < 0 ? (h2o_iovec_t){NULL, 0} : headers->entries[at].value;
}

/* What the results of one client are kept apart by. A client with a key has no address. */
static int add_client(struct exchange *exchange, struct pe_error *err)
{
    const struct client *client = exchange->client;
    return client->key_id[0]
               ? pe_buf_append_text(&exchange->salt, client->key_id, err)
               : pe_buf_append(&exchange->salt, client->address.bytes, sizeof client->address.bytes, err);
}

/* Results are shared only between requests with the same salt. */
static struct pe_problem add_salt(struct exchange *exchange)
{
    struct pe_error err;
    h2o_iovec_t sent = sent_salt(exchange);
    if (sent.len > PE_CACHE_SALT_MAX)
        return problem_make("malformed-request", "X-Cache-Salt has %zu bytes; at most %u are allowed",
                            sent.len, PE_CACHE_SALT_MAX);
    if ((exchange->exchanges->cache_per_client && add_client(exchange, &err) < 0) ||
        (sent.len && pe_buf_append(&exchange->salt, sent.base, sent.len, &err) < 0))
        return pe_problem_from_error(&err);
    exchange->submission.salt = (struct pe_cursor){.at = exchange->salt.data, .left = exchange->salt.size};
    return no_problem;
}

/* ---- results that exist already ---- */

static void send_hit(struct exchange *exchange, struct job_result *result)
{
    exchange->source = SOURCE_HIT_MEMORY;
    const struct rendered *rendered =
        exchange->events ? NULL : result_encoder_rendered(result, exchange->format);
    if (rendered)
        exchange_send_rendered(exchange, result, rendered);
    else
        exchange_send_result(exchange, result);
}

/* Hash the body of a request, if it is one whose hash is remembered. A salt is not part of the body. */
static bool hash_body(struct exchange *exchange)
{
    struct pe_error err;
    const h2o_req_t *req = exchange->req;
    if (exchange->has_body_hash || !exchange->dialect->shares_results || req->entity.len > HASHED_BODY_MAX ||
        h2o_find_header(&req->headers, H2O_TOKEN_CACHE_CONTROL, -1) >= 0 ||
        exchange->exchanges->cache_per_client || sent_salt(exchange).len)
        return exchange->has_body_hash;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_CONTENT_TYPE, -1);
    h2o_iovec_t type = at < 0 ? (h2o_iovec_t){NULL, 0} : req->headers.entries[at].value;
    exchange->has_body_hash = job_key_of_body(type.base, type.len, req->entity.base, req->entity.len,
                                              &exchange->body_hash, &err) == 0;
    return exchange->has_body_hash;
}

/* Answer a request whose body is identical to one that was answered from the cache. It need not
 * be parsed, but its image reference must still mean the same image. */
static bool answer_repeated(struct exchange *exchange)
{
    struct jobs *jobs = exchange->exchanges->jobs;
    struct body_request request;
    if (!jobs->cache->by_body || !hash_body(exchange))
        return false;
    struct job_result *result =
        cache_find_by_body(jobs->cache, &exchange->body_hash, &exchange->key, &request);
    const struct catalog_entry *entry =
        result ? scheduler_find_image(jobs->scheduler, request.image, request.demand) : NULL;
    if (!entry || strcmp(entry->identity, request.identity) != 0)
        return false;
    send_hit(exchange, result);
    return true;
}

static bool answer_cached(struct exchange *exchange, const struct catalog_entry *entry)
{
    struct cache *cache = exchange->exchanges->jobs->cache;
    const struct pe_job_spec *spec = &exchange->submission.spec;
    if (exchange->caching != CACHING_USE)
        return false;
    struct job_result *result = cache_find(cache, &exchange->key, spec->isolation);
    if (!result)
        return false;
    const struct body_request request = {
        .image = spec->image, .identity = entry->identity, .demand = spec->isolation};
    if (hash_body(exchange))
        cache_note_body(cache, &exchange->key, &exchange->body_hash, &request);
    send_hit(exchange, result);
    return true;
}

static bool answer_poison(struct exchange *exchange)
{
    struct jobs *jobs = exchange->exchanges->jobs;
    struct pe_error err;
    if (!exchange->has_key || !poison_holds(jobs->poison, &exchange->key, exchange->waiter.arrived_us))
        return false;
    struct job_result *result =
        job_result_vm_error(&jobs->budget->used, exchange->submission.spec.image, exchange->digest,
                            "this job killed three slots of workers recently: it is held back", &err);
    if (!result)
        return false;
    exchange_send_result(exchange, result);
    job_result_unref(result);
    return true;
}

/* ---- finding or starting a job ---- */

static const struct job_waiter_ops waiter_ops = {
    .on_start = on_start,
    .on_output = on_output,
    .on_result = on_result,
    .on_progress = on_progress,
    .on_lost = on_lost,
    .on_returned = on_returned,
    .on_problem = on_problem,
    .on_queue_full = on_queue_full,
    .on_given_up = on_given_up,
};

/* Neither a job nor its result could be found or made. */
static void refuse(struct exchange *exchange, const struct pe_error *err)
{
    if (err->kind == PE_ERR_BUSY) {
        exchange_refuse_for_capacity(exchange, err->message);
        return;
    }
    struct pe_problem problem = pe_problem_from_error(err);
    exchange_send_problem(exchange, &problem);
}

static void wait_for_cases(struct exchange *exchange)
{
    struct pe_error err;
    if (exchange->events)
        exchange_send_soon(exchange); /* the event `queued` */
    if (begin_waiting(exchange, &err) < 0 || exchange_cases_start(exchange, &err) < 0)
        refuse(exchange, &err);
}

/* A number that differs between clients. */
static uint64_t number_of_client(const struct client *client)
{
    uint64_t number = 14695981039346656037u; /* FNV-1a */
    const uint8_t *address = (const uint8_t *)&client->address;
    for (size_t i = 0; i < sizeof client->address; i++)
        number = (number ^ address[i]) * 1099511628211u;
    for (const char *at = client->key_id; *at; at++)
        number = (number ^ (uint8_t)*at) * 1099511628211u;
    return number ? number : 1;
}

static void wait_for_job(struct exchange *exchange)
{
    struct jobs *jobs = exchange->exchanges->jobs;
    struct pe_error err;
    bool share = exchange->caching == CACHING_USE && exchange->digest[0];
    struct job *job = share ? job_find(jobs, &exchange->key, exchange->submission.spec.isolation) : NULL;
    int failed = begin_waiting(exchange, &err);
    exchange->waiter.audit_client = number_of_client(exchange->client);
    if (!failed && job)
        exchange->source = SOURCE_COLLAPSED;
    const struct job_request request = {.waiter = &exchange->waiter,
                                        .id = exchange->id,
                                        .key = &exchange->key,
                                        .image_digest = exchange->digest,
                                        .image_identity = exchange->identity,
                                        .share = share,
                                        .keep = exchange->caching != CACHING_NONE};
    if (exchange->events)
        exchange_send_soon(exchange); /* the event `queued` */
    if (!failed)
        failed = job ? job_join(job, &exchange->waiter, &err) : job_begin(jobs, &request, &err);
    if (!failed)
        return;
    exchange->source = SOURCE_FORWARDED;
    refuse(exchange, &err);
}

/* Complete the submission, and find its image. */
static struct pe_problem resolve(struct exchange *exchange, const struct catalog_entry **entry)
{
    const struct scheduler *scheduler = exchange->exchanges->jobs->scheduler;
    const struct dialect *dialect = exchange->dialect;
    struct pe_error err;
    if (scheduler->known_count == 0)
        return refusal_no_worker();
    if (dialect->resolve && dialect->resolve(exchange, &err) < 0)
        return pe_problem_from_error(&err);
    const struct pe_job_spec *spec = &exchange->submission.spec;
    *entry = scheduler_find_image(scheduler, spec->image, spec->isolation);
    return *entry ? no_problem : missing_worker(exchange);
}

/* Hashing all files of a job costs as much as everything else about it. Only jobs that may be
 * shared, kept or held back need a key. */
static struct pe_problem make_key(struct exchange *exchange, const struct catalog_entry *entry)
{
    struct pe_error err;
    if (exchange->caching == CACHING_NONE && exchange->exchanges->jobs->poison->count == 0)
        return no_problem;
    if (job_key_make(&exchange->submission, entry->identity, &exchange->key, &err) < 0)
        return pe_problem_from_error(&err);
    exchange->has_key = true;
    return no_problem;
}

/* The workers are known: find the result, or a job that makes it. */
static void on_workers_known(struct exchange *exchange)
{
    const struct catalog_entry *entry = NULL;
    stop_waiting(exchange);
    struct pe_problem problem = resolve(exchange, &entry);
    if (entry) {
        exchange->caching = choose_caching(exchange);
        snprintf(exchange->digest, sizeof exchange->digest, "%s", entry->digest);
        snprintf(exchange->identity, sizeof exchange->identity, "%s", entry->identity);
        problem = exchange->cases ? no_problem : make_key(exchange, entry);
    }
    if (problem.status)
        exchange_send_problem(exchange, &problem);
    else if (exchange->cases)
        wait_for_cases(exchange);
    else if (!answer_poison(exchange) && !answer_cached(exchange, entry))
        wait_for_job(exchange);
}

/* ---- the start of the balancer ---- */

/* Wait for workers. Fails like scheduler_joined_add() and begin_waiting(). */
static int wait_for_workers(struct exchange *exchange, struct pe_error *err)
{
    struct exchanges *exchanges = exchange->exchanges;
    if (scheduler_joined_add(exchanges->jobs->scheduler, exchange->waiter.bytes, err) < 0)
        return -1;
    pe_list_append(&exchanges->waiting_for_workers, &exchange->in_waiting_for_workers);
    return begin_waiting(exchange, err);
}

/* Just after the start, workers are still connecting, and an image may be unknown only for now. */
static void find_workers(struct exchange *exchange)
{
    struct pe_error err;
    if (!exchange->exchanges->gathering || exchange->dialect->is_known(exchange))
        on_workers_known(exchange);
    else if (wait_for_workers(exchange, &err) < 0)
        refuse(exchange, &err);
}

void exchanges_worker_changed(struct exchanges *exchanges)
{
    struct pe_list left; /* to be looked at; each goes back before a call that may end any of them */
    pe_list_init(&left);
    pe_list_move_all(&exchanges->waiting_for_workers, &left);
    while (left.next != &left) {
        struct exchange *exchange = pe_list_entry(left.next, struct exchange, in_waiting_for_workers);
        pe_list_remove(&exchange->in_waiting_for_workers);
        pe_list_append(&exchanges->waiting_for_workers, &exchange->in_waiting_for_workers);
        if (!exchanges->gathering || exchange->dialect->is_known(exchange))
            on_workers_known(exchange);
    }
}

void exchanges_stop_gathering(struct exchanges *exchanges)
{
    exchanges->gathering = false;
    exchanges_worker_changed(exchanges);
}

void exchange_accept(struct exchanges *exchanges, const struct dialect *dialect, h2o_req_t *req)
{
    struct exchange *exchange = exchange_begin(exchanges, dialect, req);
    exchange->waiter.ops = &waiter_ops;
    exchange->tick_entry.cb = exchange_on_tick;
    exchange->deadline.on_passed = on_deadline;
    exchange->wait_us = allowed_wait_us(exchange);
    exchange->deadline.at_us = exchange->waiter.arrived_us + exchange->wait_us;
    exchange_ids_enter(exchange);
    http_reply_header(req, "x-request-id", exchange->id);
    exchange->waiter.trace = trace_header_begin(&exchange->trace, req, exchanges->spans != NULL);
    struct pe_problem problem = check_head(exchange);
    if (!problem.status)
        problem = let_in(exchange);
    if (!problem.status && answer_repeated(exchange))
        return;
    if (!problem.status)
        problem = read_body(exchange);
    if (!problem.status)
        problem = add_salt(exchange);
    if (problem.status)
        exchange_send_problem(exchange, &problem);
    else
        find_workers(exchange);
}
