/* GET /v1/hosts, and POST or DELETE of /v1/hosts/NAME/drain: what an operator sees of the worker hosts, and
 * how one is taken out of service and back. For whoever has the workers' token. */
#include "lb/api/info.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "lb/edge/ws_server.h"
#include "lb/server.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

static size_t count_ready(const struct worker *worker)
{
    size_t count = 0;
    for (const struct list *node = worker->ready.next; node != &worker->ready; node = node->next)
        count++;
    return count;
}

static json_t *worker_to_json(const struct worker *worker)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "name", worker->name, "slots",
                     (json_int_t)worker->slots, "vms", (json_int_t)worker->vms, "ready",
                     (json_int_t)count_ready(worker), "running", (json_int_t)worker->running, "images",
                     (json_int_t)worker->catalog.count, "stopping", worker->draining, "drained",
                     worker->drained);
}

void api_hosts(struct server *server, h2o_req_t *req)
{
    if (!ws_server_authorize(server, req))
        return;
    json_t *hosts = json_array();
    list_for_each(node, &server->scheduler.workers)
    {
        json_array_append_new(hosts, worker_to_json(list_entry(node, struct worker, in_workers)));
    }
    http_reply_json(req, json_pack("{s:o}", "hosts", hosts));
}

/* NAME of /v1/hosts/NAME/drain. */
static bool parse_name(h2o_iovec_t path, char *name, size_t size)
{
    static const char before[] = "/v1/hosts/", after[] = "/drain";
    size_t around = sizeof before - 1 + sizeof after - 1;
    if (path.len <= around || path.len - around >= size ||
        memcmp(path.base + path.len - (sizeof after - 1), after, sizeof after - 1) != 0)
        return false;
    memcpy(name, path.base + sizeof before - 1, path.len - around);
    name[path.len - around] = '\0';
    return true;
}

void api_host_drain(struct server *server, h2o_req_t *req)
{
    char name[256];
    struct pe_error err;
    bool post = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("POST"));
    if (!post && !h2o_memis(req->method.base, req->method.len, H2O_STRLIT("DELETE"))) {
        struct pe_problem problem = problem_make("method-not-allowed", "this path takes POST, DELETE");
        http_reply_header(req, "allow", "POST, DELETE");
        http_reply_problem(req, &problem);
        return;
    }
    if (!ws_server_authorize(server, req))
        return;
    if (!parse_name(req->path_normalized, name, sizeof name)) {
        struct pe_problem problem = problem_make("not-found", "hosts are drained at /v1/hosts/NAME/drain");
        http_reply_problem(req, &problem);
        return;
    }
    if (scheduler_drain(&server->scheduler, name, post, &err) < 0) {
        http_reply_error(req, &err);
        return;
    }
    pe_log(PE_LOG_INFO, "host '%s' %s, by an operator", name, post ? "gets no more jobs" : "gets jobs again");
    server_dispatch(server);
    http_reply_empty(req);
}
