/* SPDX-License-Identifier: Apache-2.0 */
/* GET / as text, GET /healthz and GET /problems/NAME. */
#include "lb/api/info.h"

#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

#include <string.h>

void api_about(h2o_req_t *req)
{
    http_reply_text(
        req, "Program Explorer runs a command of your choice, with your files, in a container image of\n"
             "your choice, inside a virtual machine that is made for this job only. It sends back\n"
             "everything that the command wrote.\n"
             "\n"
             "GET  /                in a browser: the playground\n"
             "POST /v1/run          run a job (multipart/form-data: 'job', then 'file' parts)\n"
             "GET  /v1/connect      run a job whose input is typed, on a WebSocket\n"
             "GET  /v1/images       the available images, and the limits of a job\n"
             "GET  /v1/jobs/ID      status of the job that was sent with X-Request-Id: ID\n"
             "POST /api/v2/execute  run a job, for clients of Piston; GET /api/v2/runtimes\n"
             "POST /mcp             the tools of this service, for agents (Model Context Protocol)\n"
             "GET  /v1/hosts        the workers; needs a worker token\n"
             "GET  /healthz         status of the service\n"
             "GET  /metrics         metrics for Prometheus\n"
             "GET  /openapi.json    the API, for programs\n"
             "GET  /problems/NAME   the meaning of an error type\n"
             "\n"
             "curl -F 'job={\"image\":\"gcc:14\",\"cmd\":[\"sh\",\"-c\",\"gcc main.c && ./a.out\"]}' \\\n"
             "     -F 'file=@main.c' -H 'Accept: application/json' http://HOST/v1/run\n");
}

void api_health(const struct scheduler *scheduler, bool draining, h2o_req_t *req)
{
    json_t *json =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "status", draining ? "draining" : "ok", "hosts",
                  (json_int_t)scheduler->worker_count, "slots", (json_int_t)scheduler->slot_count, "ready",
                  (json_int_t)scheduler->ready_count, "queued", (json_int_t)scheduler->queued_count,
                  "running", (json_int_t)scheduler->running_count);
    http_reply_json(req, json);
}

void api_problem(h2o_req_t *req)
{
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
    struct pe_problem problem = problem_make("not-found", "there is no problem type of this name");
    http_reply_problem(req, &problem);
}
