/* SPDX-License-Identifier: Apache-2.0 */
/* Building and sending complete replies. Replies that are streamed are not sent here. */
#include "lb/edge/http_reply.h"

#include "base/cleanup.h"
#include "lb/edge/problems.h"
#include "proto/job_spec.h"

#include <stdio.h>
#include <string.h>

/* Sent when there is no memory for the problem itself. */
#define OUT_OF_MEMORY "{\"type\":\"/problems/internal\",\"status\":500,\"title\":\"The service failed\"}"

void http_reply_header(h2o_req_t *req, const char *name, const char *value)
{
    h2o_iovec_t kept = h2o_strdup(&req->pool, value, SIZE_MAX);
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 1, NULL, kept.base, kept.len);
}

static void send_body(h2o_req_t *req, int status, const char *type, const char *body, size_t size)
{
    req->res.status = status;
    req->res.reason = problem_reason_phrase(status);
    req->res.content_length = size;
    http_reply_header(req, "content-type", type);
    http_reply_header(req, "cache-control", "no-store");
    h2o_send_inline(req, body, size);
}

h2o_iovec_t http_reply_problem_text(h2o_req_t *req, const struct pe_problem *problem)
{
    pe_autojson json_t *json = pe_problem_to_json(problem);
    pe_autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    return h2o_strdup(&req->pool, text ? text : OUT_OF_MEMORY, SIZE_MAX);
}

void http_reply_retry_after(h2o_req_t *req, unsigned seconds)
{
    char text[16];
    snprintf(text, sizeof text, "%u", seconds);
    if (seconds)
        http_reply_header(req, "retry-after", text);
}

void http_reply_problem(h2o_req_t *req, const struct pe_problem *problem)
{
    http_reply_retry_after(req, problem->retry_after_s);
    h2o_iovec_t text = http_reply_problem_text(req, problem);
    send_body(req, problem->status, HTTP_REPLY_PROBLEM_TYPE, text.base, text.len);
}

void http_reply_error(h2o_req_t *req, const struct pe_error *err)
{
    struct pe_problem problem = pe_problem_from_error(err);
    http_reply_problem(req, &problem);
}

void http_reply_json(h2o_req_t *req, json_t *json)
{
    http_reply_json_status(req, 200, json);
}

void http_reply_json_status(h2o_req_t *req, int status, json_t *json)
{
    pe_autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text) {
        send_body(req, status, "application/json", text, strlen(text));
        return;
    }
    struct pe_problem problem = problem_make("internal", "out of memory");
    http_reply_problem(req, &problem);
}

void http_reply_text(h2o_req_t *req, const char *text)
{
    send_body(req, 200, HTTP_REPLY_TEXT_TYPE, text, strlen(text));
}

void http_reply_bytes(h2o_req_t *req, const char *type, const void *bytes, size_t size)
{
    send_body(req, 200, type, bytes, size);
}

void http_reply_accepted(h2o_req_t *req)
{
    req->res.status = 202;
    req->res.reason = problem_reason_phrase(202);
    h2o_send_inline(req, "", 0);
}

void http_reply_empty(h2o_req_t *req)
{
    req->res.status = 204;
    req->res.reason = problem_reason_phrase(204);
    h2o_send_inline(req, "", 0);
}
