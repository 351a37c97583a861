/* GET /, /healthz and /problems/NAME. */
#include "lb/api/info.h"

#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "lb/server.h"

#include <string.h>

void api_about(struct server *server, h2o_req_t *req)
{
    (void)server;
    http_reply_text(
        req, "Program Explorer runs a command of your choice, with your files, in a container image of\n"
             "your choice, inside a fresh microVM, and sends back everything it wrote.\n"
             "\n"
             "GET  /                in a browser: the playground\n"
             "POST /v1/run          run a job (multipart/form-data: 'job', then 'file' parts)\n"
             "GET  /v1/images       the images there are, and the limits of a job\n"
             "GET  /v1/jobs/ID      how the job sent with X-Request-Id: ID is doing\n"
             "POST /api/v2/execute  the same for clients of Piston; GET /api/v2/runtimes\n"
             "GET  /v1/hosts        the worker hosts, for who has their token\n"
             "GET  /healthz         how the service does\n"
             "GET  /metrics         the same in numbers, for Prometheus\n"
             "GET  /openapi.json    all of this for programs\n"
             "GET  /problems/NAME   what an error's type means\n"
             "\n"
             "curl -F 'job={\"image\":\"gcc:14\",\"cmd\":[\"sh\",\"-c\",\"gcc main.c && ./a.out\"]}' \\\n"
             "     -F 'file=@main.c' -H 'Accept: application/json' http://HOST/v1/run\n");
}

void api_health(struct server *server, h2o_req_t *req)
{
    const struct scheduler *scheduler = &server->scheduler;
    http_reply_json(
        req,
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "status", server->draining ? "draining" : "ok", "hosts",
                  (json_int_t)scheduler->worker_count, "slots", (json_int_t)scheduler->slot_count, "ready",
                  (json_int_t)scheduler->ready_count, "queued", (json_int_t)scheduler->queued_count,
                  "running", (json_int_t)scheduler->running_count));
}

void api_problem(struct server *server, h2o_req_t *req)
{
    (void)server;
    static const char prefix[] = "/problems/";
    char name[64] = "";
    size_t size = req->path_normalized.len - (sizeof prefix - 1);
    if (size < sizeof name)
        memcpy(name, req->path_normalized.base + sizeof prefix - 1, size);
    const char *explanation = problem_explanation(name);
    if (explanation) {
        http_reply_text(req, explanation);
        return;
    }
    struct pe_problem problem = problem_make("not-found", "there is no such problem type");
    http_reply_problem(req, &problem);
}
