/* Building and sending complete answers. */
#include "lb/edge/http_reply.h"

#include "base/cleanup.h"
#include "lb/edge/connection.h"
#include "lb/edge/cors.h"
#include "lb/edge/problems.h"
#include "proto/job_spec.h"

#include <stdio.h>
#include <string.h>

#define TEXT_TYPE "text/plain; charset=utf-8"
#define PROBLEM_TYPE "application/problem+json"

/* Sent when there is no memory to say it better. */
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

/* A problem's JSON text in the request's pool. */
static h2o_iovec_t problem_text(h2o_req_t *req, const struct pe_problem *problem)
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
    h2o_iovec_t text = problem_text(req, problem);
    send_body(req, problem->status, PROBLEM_TYPE, text.base, text.len);
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
    send_body(req, 200, TEXT_TYPE, text, strlen(text));
}

void http_reply_bytes(h2o_req_t *req, const char *type, const void *bytes, size_t size)
{
    send_body(req, 200, type, bytes, size);
}

void http_reply_empty(h2o_req_t *req)
{
    req->res.status = 204;
    req->res.reason = problem_reason_phrase(204);
    h2o_send_inline(req, "", 0);
}

/* ---- libh2o's own errors ---- */

/* Sends the problem in place of whatever body comes. */
struct replacement {
    h2o_ostream_t super;
    h2o_iovec_t text;
};

static void send_replacement(h2o_ostream_t *ostream, h2o_req_t *req, h2o_iovec_t *bodies, size_t count,
                             h2o_send_state_t state)
{
    struct replacement *replacement = (struct replacement *)ostream;
    (void)bodies;
    (void)count;
    bool head = h2o_memis(req->input.method.base, req->input.method.len, H2O_STRLIT("HEAD"));
    h2o_ostream_send_next(ostream, req, &replacement->text, head ? 0 : 1, state);
}

/* Ours say application/problem+json already; libh2o's are text. */
static bool is_own_error(const h2o_req_t *req)
{
    ssize_t at = h2o_find_header(&req->res.headers, H2O_TOKEN_CONTENT_TYPE, -1);
    return req->res.status >= 400 && at >= 0 &&
           h2o_memis(req->res.headers.entries[at].value.base, req->res.headers.entries[at].value.len,
                     H2O_STRLIT(TEXT_TYPE));
}

static void replace_error(h2o_req_t *req, h2o_ostream_t ***slot)
{
    struct pe_problem problem = problem_from_status(req->res.status);
    struct replacement *replacement = (struct replacement *)h2o_add_ostream(req, sizeof *replacement, *slot);
    replacement->super.do_send = send_replacement;
    replacement->text = problem_text(req, &problem);
    *slot = &replacement->super.next;
    req->res.reason = problem_reason_phrase(req->res.status);
    req->res.content_length = replacement->text.len;
    h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, H2O_STRLIT(PROBLEM_TYPE), 1);
    http_reply_header(req, "cache-control", "no-store");
    /* The body was refused before it was read: the client may still be sending it. */
    if (!req->http1_is_persistent && req->version < 0x200)
        connection_linger(req->conn->callbacks->get_socket(req->conn));
}

struct filter {
    h2o_filter_t super;
    const struct pe_option_list *origins;
};

static void on_setup_ostream(h2o_filter_t *self, h2o_req_t *req, h2o_ostream_t **slot)
{
    if (is_own_error(req))
        replace_error(req, &slot);
    cors_add_headers(((struct filter *)self)->origins, req);
    h2o_setup_next_ostream(req, slot);
}

void problem_filter_register(h2o_pathconf_t *path, const struct pe_option_list *origins)
{
    struct filter *filter = (struct filter *)h2o_create_filter(path, sizeof *filter);
    filter->super.on_setup_ostream = on_setup_ostream;
    filter->origins = origins;
}
