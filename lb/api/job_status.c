/* SPDX-License-Identifier: Apache-2.0 */
/* What is reported about an exchange, and how it is cancelled. */
#include "lb/api/job_status.h"

#include "base/io.h"
#include "lb/api/exchange.h"
#include "lb/api/exchange_ids.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

#include <string.h>

/* Whether the answer is being sent: a result, or a problem. */
static bool was_answered(const struct exchange *exchange)
{
    return exchange->has_result || exchange->log_status[0] || exchange->aborted;
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
    if (was_answered(exchange))
        return json_pack("{s:s, s:n, s:n, s:n}", "state", "answering", "position", "wait_ms", "running_ms");
    if (!job || !job->entry.slot)
        return describe_waiting(exchange);
    return json_pack("{s:s, s:n, s:n, s:I}", "state", "running", "position", "wait_ms", "running_ms",
                     (json_int_t)(pe_now_us() - job->started_us) / 1000);
}

/* The exchange that a request is about. NULL: there is none, or the address asks too often, and the request
 * was answered. */
static struct exchange *find_or_refuse(const struct exchanges *exchanges, h2o_req_t *req)
{
    struct pe_error err;
    struct pe_ip_address address = peer_of_request(exchanges->access->trusted, req);
    if (client_count_status(exchanges->clients, &address, pe_now_us(), &err) < 0) {
        struct pe_problem problem = problem_make("too-many-requests", "%s", err.message);
        http_reply_problem(req, &problem);
        return NULL;
    }
    size_t prefix = strlen(JOB_STATUS_PATH);
    h2o_iovec_t id = h2o_iovec_init(req->path_normalized.base + prefix, req->path_normalized.len - prefix);
    struct exchange *exchange = exchange_ids_find(exchanges, id);
    if (exchange)
        return exchange;
    struct pe_problem problem =
        problem_make("not-found", "there is no job that was sent with this X-Request-Id; it may have ended");
    http_reply_problem(req, &problem);
    return NULL;
}

void api_job(struct exchanges *exchanges, h2o_req_t *req)
{
    const struct exchange *exchange = find_or_refuse(exchanges, req);
    if (exchange)
        http_reply_json(req, describe(exchange));
}

/* ---- cancelling ---- */

void api_job_cancel(struct exchanges *exchanges, h2o_req_t *req)
{
    struct exchange *exchange = find_or_refuse(exchanges, req);
    if (!exchange)
        return;
    if (was_answered(exchange)) {
        struct pe_problem problem = problem_make("not-found", "the job has ended: its answer is being sent");
        http_reply_problem(req, &problem);
        return;
    }
    struct pe_problem problem = problem_make("canceled", "the job was cancelled with DELETE /v1/jobs");
    exchange_send_problem(exchange, &problem);
    http_reply_empty(req);
}
