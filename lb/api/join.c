/* SPDX-License-Identifier: Apache-2.0 */
/* The requests with which a host joins and leaves. What they change is in lb/edge/host_membership.c. */
#include "lb/api/join.h"

#include "base/log.h"
#include "codec/json_bounds.h"
#include "lb/edge/host_membership.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "proto/job_spec.h"

#include <time.h>

enum { BODY_MAX = 4096, BODY_VALUES_MAX = 16 };

static json_t *parse_body(const h2o_req_t *req, struct pe_error *err)
{
    json_error_t where;
    if (req->entity.len > BODY_MAX) {
        pe_fail(err, PE_ERR_TOO_LARGE, "the body may have %d bytes", BODY_MAX);
        return NULL;
    }
    if (pe_json_check_bounds(req->entity.base, req->entity.len, BODY_VALUES_MAX, err) < 0)
        return NULL;
    json_t *json = json_loadb(req->entity.base, req->entity.len, 0, &where);
    if (!json)
        pe_fail(err, PE_ERR_MALFORMED, "the body is no JSON: %s", where.text);
    return json;
}

static void refuse_code(h2o_req_t *req, const struct pe_error *err)
{
    struct pe_problem problem = problem_make("invalid-join-code", "%s", err->message);
    pe_log(PE_LOG_WARN, "a host was not let in: %s", err->message);
    http_reply_problem(req, &problem);
}

static void join(struct tokens *tokens, const struct host_images *images, h2o_req_t *req)
{
    struct host_token host;
    struct pe_error err;
    pe_autojson json_t *body = parse_body(req, &err);
    if (!body) {
        http_reply_error(req, &err);
        return;
    }
    const char *code = json_string_value(json_object_get(body, "code"));
    const json_t *hash = json_object_get(body, "token_sha256");
    if (!code || (hash && (!json_is_string(hash) || !pe_sha256_hex_valid(json_string_value(hash))))) {
        struct pe_problem problem = problem_make(
            "malformed-request", "the body needs a text 'code', and may have 'token_sha256', 64 hex digits");
        http_reply_problem(req, &problem);
        return;
    }
    if (host_join(tokens, code, json_string_value(hash), time(NULL), &host, &err) < 0) {
        if (err.kind == PE_ERR_INVALID)
            refuse_code(req, &err);
        else
            http_reply_error(req, &err);
        return;
    }
    if (hash)
        pe_log(PE_LOG_INFO, "host '%s' has joined", host.host);
    http_reply_json(req, json_pack("{s:s, s:O?}", "host", host.host, "images", images->json));
}

static void leave(struct tokens *tokens, h2o_req_t *req)
{
    struct token_identity identity;
    struct pe_error err;
    if (!tokens_admit(tokens, req, &identity))
        return;
    if (!identity.host[0]) {
        struct pe_problem problem =
            problem_make("unauthorized", "only a host with a token of its own can leave");
        http_reply_problem(req, &problem);
    } else if (host_leave(tokens, &identity, time(NULL), &err) < 0) {
        http_reply_error(req, &err);
    } else {
        pe_log(PE_LOG_INFO, "host '%s' has left", identity.host);
        http_reply_empty(req);
    }
}

void api_join(struct tokens *tokens, const struct host_images *images, h2o_req_t *req)
{
    http_reply_header(req, "cache-control", "no-store");
    if (!tokens->folder) {
        struct pe_problem problem =
            problem_make("not-found", "hosts cannot join this balancer: it runs without --tokens");
        http_reply_problem(req, &problem);
    } else if (h2o_memis(req->method.base, req->method.len, H2O_STRLIT("POST"))) {
        join(tokens, images, req);
    } else if (h2o_memis(req->method.base, req->method.len, H2O_STRLIT("DELETE"))) {
        leave(tokens, req);
    } else {
        struct pe_problem problem = problem_make("method-not-allowed", "this path accepts POST, DELETE");
        http_reply_header(req, "allow", "POST, DELETE");
        http_reply_problem(req, &problem);
    }
}
