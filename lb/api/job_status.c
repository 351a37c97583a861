/* SPDX-License-Identifier: Apache-2.0 */
/* The exchanges that can be asked for by id, and what is reported about them. */
#include "lb/api/job_status.h"

#include "base/io.h"
#include "base/random_text.h"
#include "lb/api/exchange.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

#include <search.h>
#include <string.h>

enum { ID_SIZE = 32 }; /* hex digits */

static int compare_ids(const void *left, const void *right)
{
    const struct exchange *a = left, *b = right;
    return memcmp(a->id, b->id, ID_SIZE);
}

static bool is_id(h2o_iovec_t text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(text.base[i] >= '0' && text.base[i] <= '9') && !(text.base[i] >= 'a' && text.base[i] <= 'f'))
            return false;
    return text.len == ID_SIZE;
}

void job_status_enter(struct exchange *exchange)
{
    void **by_id = &exchange->exchanges->by_id;
    ssize_t at = h2o_find_header_by_str(&exchange->req->headers, H2O_STRLIT("x-request-id"), -1);
    if (at >= 0 && is_id(exchange->req->headers.entries[at].value)) {
        memcpy(exchange->id, exchange->req->headers.entries[at].value.base, ID_SIZE);
        exchange->has_client_id =
            !tfind(exchange, by_id, compare_ids) && tsearch(exchange, by_id, compare_ids);
    }
    if (!exchange->has_client_id)
        pe_pooled_random_hex(exchange->id, ID_SIZE / 2);
}

void job_status_leave(struct exchange *exchange)
{
    if (exchange->has_client_id)
        tdelete(exchange, &exchange->exchanges->by_id, compare_ids);
    exchange->has_client_id = false;
}

/* ---- reporting ---- */

/* A job that has a place in the queue reports it. Before that, a request waits for a worker or
 * for the result store; and a job that lost its slot is about to return to the queue. */
static json_t *describe_waiting(const struct exchange *exchange)
{
    const struct jobs *jobs = exchange->exchanges->jobs;
    const struct job *job = exchange_job(exchange);
    if (!job || !pe_list_linked(&job->entry.in_queue))
        return json_pack("{s:s, s:n, s:n, s:n}", "state", "queued", "position", "wait_ms", "running_ms");
    size_t before = scheduler_jobs_before(jobs->scheduler, &job->entry);
    return json_pack("{s:s, s:I, s:I, s:n}", "state", "queued", "position", (json_int_t)before + 1, "wait_ms",
                     (json_int_t)(job_wait_us(jobs, before) / 1000), "running_ms");
}

static json_t *describe(const struct exchange *exchange)
{
    const struct job *job = exchange_job(exchange);
    if (exchange->has_result)
        return json_pack("{s:s, s:n, s:n, s:n}", "state", "answering", "position", "wait_ms", "running_ms");
    if (!job || !job->entry.slot)
        return describe_waiting(exchange);
    return json_pack("{s:s, s:n, s:n, s:I}", "state", "running", "position", "wait_ms", "running_ms",
                     (json_int_t)(pe_now_us() - job->started_us) / 1000);
}

static const struct exchange *find(const struct exchanges *exchanges, h2o_iovec_t id)
{
    struct exchange wanted;
    if (!is_id(id))
        return NULL;
    memcpy(wanted.id, id.base, ID_SIZE);
    struct exchange *const *found = tfind(&wanted, &exchanges->by_id, compare_ids);
    return found ? *found : NULL;
}

void api_job(struct exchanges *exchanges, h2o_req_t *req)
{
    struct pe_error err;
    struct pe_ip_address address = peer_of_request(exchanges->access->trusted, req);
    if (client_count_status(exchanges->clients, &address, pe_now_us(), &err) < 0) {
        struct pe_problem problem = problem_make("too-many-requests", "%s", err.message);
        http_reply_problem(req, &problem);
        return;
    }
    size_t prefix = strlen(JOB_STATUS_PATH);
    h2o_iovec_t id = h2o_iovec_init(req->path_normalized.base + prefix, req->path_normalized.len - prefix);
    const struct exchange *exchange = find(exchanges, id);
    if (exchange) {
        http_reply_json(req, describe(exchange));
        return;
    }
    struct pe_problem problem =
        problem_make("not-found", "there is no job that was sent with this X-Request-Id; it may have ended");
    http_reply_problem(req, &problem);
}
