/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/admin. Hosts and images have paths of their own (hosts.c, images.c). */
#include "lb/api/admin.h"

#include "codec/json_writer.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

static void append_queue(struct pe_json_writer *json, const struct jobs *jobs)
{
    const struct scheduler *scheduler = jobs->scheduler;
    pe_json_append_number(json, "workers", scheduler->worker_count);
    pe_json_append_number(json, "slots", scheduler->slot_count);
    pe_json_append_number(json, "ready", scheduler->ready_count);
    pe_json_append_number(json, "running", scheduler->running_count);
    pe_json_append_number(json, "queued", scheduler->queued_count);
    pe_json_append_number(json, "queued_bytes", scheduler->queued_bytes);
    pe_json_append_ms(json, "expected_wait_ms", job_expected_wait_us(jobs, NULL));
    pe_json_append_number(json, "jobs_lost", jobs->metrics->lost);
}

static int append_state(struct pe_buf *out, const struct jobs *jobs, const struct recent_errors *errors,
                        struct pe_error *err)
{
    struct pe_json_writer json = pe_json_write(out, err);
    pe_json_open(&json, NULL, '{');
    append_queue(&json, jobs);
    recent_errors_append(errors, &json, "errors");
    pe_json_close(&json, '}');
    return pe_json_finish(&json);
}

void api_admin(const struct jobs *jobs, const struct recent_errors *errors, const struct tokens *tokens,
               h2o_req_t *req)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error err;
    if (!tokens->required) {
        struct pe_problem problem =
            problem_make("not-found", "this balancer was started without --admin-token-file");
        http_reply_problem(req, &problem);
        return;
    }
    if (!tokens_authorize(tokens, req))
        return;
    if (append_state(&text, jobs, errors, &err) < 0) {
        http_reply_error(req, &err);
        return;
    }
    http_reply_bytes(req, "application/json", text.data, text.size);
}
