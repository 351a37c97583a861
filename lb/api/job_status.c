/* The runs that can be asked for, and what is told about them. */
#include "lb/api/job_status.h"

#include "base/io.h"
#include "base/random_text.h"
#include "lb/api/exchange.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "lb/server.h"

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
    void **exchanges = &exchange->server->named;
    ssize_t at = h2o_find_header_by_str(&exchange->req->headers, H2O_STRLIT("x-request-id"), -1);
    if (at >= 0 && is_id(exchange->req->headers.entries[at].value)) {
        memcpy(exchange->id, exchange->req->headers.entries[at].value.base, ID_SIZE);
        exchange->is_named =
            !tfind(exchange, exchanges, compare_ids) && tsearch(exchange, exchanges, compare_ids);
    }
    if (!exchange->is_named)
        random_hex(exchange->id, ID_SIZE / 2);
}

void job_status_leave(struct exchange *exchange)
{
    if (exchange->is_named)
        tdelete(exchange, &exchange->server->named, compare_ids);
    exchange->is_named = false;
}

/* ---- telling ---- */

/* Before it is in the queue it waits for a worker host, or for the store to be searched; and a job that lost
 * its slot is on its way back. */
static json_t *waiting(const struct exchange *exchange)
{
    const struct server *server = exchange->server;
    const struct job *job = exchange->job;
    if (!job || !list_linked(&job->entry.in_queue))
        return json_pack("{s:s, s:n, s:n, s:n}", "state", "queued", "position", "wait_ms", "running_ms");
    size_t before = scheduler_jobs_before(&server->scheduler, &job->entry);
    return json_pack("{s:s, s:I, s:I, s:n}", "state", "queued", "position", (json_int_t)before + 1, "wait_ms",
                     (json_int_t)(job_wait_us(server, before) / 1000), "running_ms");
}

static json_t *describe(const struct exchange *exchange)
{
    if (exchange->begun)
        return json_pack("{s:s, s:n, s:n, s:n}", "state", "answering", "position", "wait_ms", "running_ms");
    if (!exchange->job || !exchange->job->entry.slot)
        return waiting(exchange);
    return json_pack("{s:s, s:n, s:n, s:I}", "state", "running", "position", "wait_ms", "running_ms",
                     (json_int_t)(pe_now_us() - exchange->job->started_us) / 1000);
}

static const struct exchange *find(const struct server *server, h2o_iovec_t id)
{
    struct exchange key;
    if (!is_id(id))
        return NULL;
    memcpy(key.id, id.base, ID_SIZE);
    struct exchange *const *found = tfind(&key, &server->named, compare_ids);
    return found ? *found : NULL;
}

void api_job(struct server *server, h2o_req_t *req)
{
    struct pe_error err;
    struct peer peer = peer_of_request(&server->trusted, req);
    if (client_look(&server->clients, &peer, pe_now_us(), &err) < 0) {
        struct pe_problem problem = problem_make("too-many-requests", "%s", err.message);
        http_reply_problem(req, &problem);
        return;
    }
    size_t prefix = strlen(JOB_STATUS_PATH);
    const struct exchange *exchange =
        find(server, h2o_iovec_init(req->path_normalized.base + prefix, req->path_normalized.len - prefix));
    if (exchange) {
        http_reply_json(req, describe(exchange));
        return;
    }
    struct pe_problem problem = problem_make(
        "not-found", "no job that was sent with this X-Request-Id is here now; it may have ended");
    http_reply_problem(req, &problem);
}
