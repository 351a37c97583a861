/* A job's way from the request to a slot and, should the slot be lost, to another one. How the response goes
 * out is lb/run_response.c. */
#include "lb/run.h"

#include "base/io.h"
#include "base/log.h"
#include "lb/answer.h"
#include "lb/problems.h"
#include "lb/server.h"
#include "lb/slot_link.h"

#include <stdio.h>
#include <string.h>

/* A job that took this many slots down with it gets no further one. */
enum { SLOTS_LOST_MAX = 3 };

void run_leave(struct run *run)
{
    hangup_unwatch(&run->server->hangup, &run->watch);
    h2o_timeout_unlink(&run->wait_entry);
    if (run->job.slot)
        slot_link_cancel(run->job.slot);
    scheduler_job_remove(&run->server->scheduler, &run->job);
}

/* libh2o's request ends, for whatever reason. */
static void on_dispose(void *memory)
{
    struct run *run = memory;
    struct server *server = run->server;
    run_leave(run);
    h2o_timeout_unlink(&run->stall_entry);
    pe_log(PE_LOG_INFO, "job %s: image %s, %s, %llu ms", run->id,
           run->request.job.image ? run->request.job.image : "?",
           run->outcome[0] ? run->outcome : "connection lost",
           (unsigned long long)(pe_now_us() - run->arrived_us) / 1000);
    response_free(&run->response);
    pe_buf_free(&run->sending);
    run_request_free(&run->request);
    server_run_ended(server);
}

void run_answer_problem(struct run *run, const struct pe_problem *problem)
{
    run_leave(run);
    snprintf(run->outcome, sizeof run->outcome, "%s", problem->type);
    answer_problem(run->req, problem);
}

/* ---- while it waits or runs ---- */

static void on_hangup(struct hangup_watch *watch)
{
    struct run *run = H2O_STRUCT_FROM_MEMBER(struct run, watch, watch);
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

static struct pe_problem no_worker(void)
{
    return problem_make("no-worker", "no worker host is connected; start one with pe-worker --server URL");
}

static void on_wait_over(h2o_timeout_entry_t *entry)
{
    struct run *run = H2O_STRUCT_FROM_MEMBER(struct run, wait_entry, entry);
    struct server *server = run->server;
    struct pe_problem problem =
        server->scheduler.host_count
            ? problem_make("no-capacity", "no slot became free for the job within %llu ms",
                           (unsigned long long)server->queue_wait.timeout)
            : no_worker();
    run_answer_problem(run, &problem);
}

static int enqueue(struct run *run, bool front, struct pe_error *err)
{
    struct server *server = run->server;
    if (scheduler_submit(&server->scheduler, &run->job, front, err) < 0)
        return -1;
    h2o_timeout_link(server->ctx.loop, &server->queue_wait, &run->wait_entry);
    return 0;
}

void run_on_start(struct run *run)
{
    h2o_timeout_unlink(&run->wait_entry);
    run->started_us = pe_now_us();
}

void run_on_lost(struct run *run, const char *why)
{
    struct pe_error err = {.kind = PE_ERR_LOST};
    pe_log(PE_LOG_WARN, "job %s lost its slot: %s", run->id, why);
    if (run->started) {
        snprintf(run->outcome, sizeof run->outcome, "job-lost");
        run_abort_response(run);
        return;
    }
    response_free(&run->response);
    if (++run->slots_lost < SLOTS_LOST_MAX && enqueue(run, true, &err) == 0)
        return;
    struct pe_problem problem =
        problem_make("job-lost", "%u slots went away with the job: %s", run->slots_lost, why);
    run_answer_problem(run, &problem);
}

void run_on_problem(struct run *run, const struct pe_problem *problem)
{
    struct pe_problem forwarded = *problem;
    if (forwarded.status == 503 || forwarded.status == 429)
        forwarded.retry_after_s = 1;
    run_answer_problem(run, &forwarded);
}

/* ---- the request ---- */

static h2o_iovec_t header_value(const h2o_req_t *req, const h2o_token_t *token)
{
    ssize_t at = h2o_find_header(&req->headers, token, -1);
    return at < 0 ? (h2o_iovec_t){NULL, 0} : req->headers.entries[at].value;
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

/* Read and check everything there is to check; a problem without a status when all is well. */
static struct pe_problem read_request(struct run *run)
{
    struct server *server = run->server;
    h2o_req_t *req = run->req;
    struct pe_error err;
    if (server->draining)
        return problem_make("no-capacity", "the balancer is shutting down");
    h2o_iovec_t accept = header_value(req, H2O_TOKEN_ACCEPT);
    run->format = negotiate_format(accept.base, accept.len);
    if (run->format == RESPONSE_FORMATS)
        return problem_make("not-acceptable", "results come as %s, %s or %s", response_media_types[0],
                            response_media_types[1], response_media_types[2]);
    h2o_iovec_t type = header_value(req, H2O_TOKEN_CONTENT_TYPE);
    if (run_request_parse(type.base, type.len, req->entity.base, req->entity.len, &run->request, &err) < 0)
        return pe_problem_from_error(&err);
    run->job.image = run->request.job.image;
    switch (scheduler_chance(&server->scheduler, run->job.image)) {
    case SCHED_NO_HOST:
        return no_worker();
    case SCHED_IMAGE_UNKNOWN:
        return unknown_image(server, run->job.image);
    case SCHED_IMAGE_KNOWN:
        break;
    }
    return (struct pe_problem){0};
}

void run_accept(struct server *server, h2o_req_t *req)
{
    struct run *run = h2o_mem_alloc_shared(&req->pool, sizeof *run, on_dispose);
    *run = (struct run){.server = server, .req = req, .arrived_us = pe_now_us()};
    run->watch = (struct hangup_watch){.fd = -1, .on_hangup = on_hangup};
    run->wait_entry.cb = on_wait_over;
    run->stall_entry.cb = run_on_stall;
    server->runs++;
    pe_random_hex(run->id, 16);
    answer_header(req, "x-request-id", run->id);
    struct pe_error err;
    struct pe_problem problem = read_request(run);
    if (!problem.status &&
        (hangup_watch(&server->hangup, &run->watch,
                      h2o_socket_get_fd(req->conn->callbacks->get_socket(req->conn)), &err) < 0 ||
         enqueue(run, false, &err) < 0))
        problem = pe_problem_from_error(&err);
    if (problem.status)
        run_answer_problem(run, &problem);
    else
        server_dispatch(server);
}
