/* Paths, methods and errors as Piston has them. A job of POST /execute goes the way of all jobs
 * (lb/api/exchange.c).
 */
#include "lb/piston/piston.h"

#include "base/cleanup.h"
#include "codec/utf8_text.h"
#include "lb/api/exchange.h"
#include "lb/edge/cors.h"
#include "lb/edge/http_reply.h"
#include "lb/piston/runtimes.h"
#include "lb/server.h"
#include "proto/job_spec.h"

#include <string.h>
#include <strings.h>

/* ---- answers ---- */

static void send_message(h2o_req_t *req, int status, const char *message)
{
    struct pe_error ignored;
    pe_autobuf struct pe_buf repaired = {0};
    pe_autojson json_t *json = NULL;
    if (utf8_append_repaired(&repaired, message, strlen(message), &ignored) == 0)
        json = json_pack("{s:o}", "message",
                         json_stringn_nocheck(repaired.size ? (char *)repaired.data : "", repaired.size));
    http_reply_json_status(req, status, pe_steal_ptr(&json));
}

/* Piston knows no 422, and a runtime that it does not have is a bad request. */
static int status_of(const struct pe_problem *problem)
{
    return problem->status == 422 || problem->status == 404 ? 400 : problem->status;
}

void piston_send_problem(h2o_req_t *req, const struct pe_problem *problem)
{
    http_reply_retry_after(req, problem->retry_after_s);
    send_message(req, status_of(problem), problem->detail);
}

bool piston_accepts_type(h2o_iovec_t type)
{
    static const char *const types[] = {"application/json", "text/plain"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t size = strlen(types[i]);
        if (type.len >= size && !strncasecmp(type.base, types[i], size))
            return true;
    }
    return false;
}

/* ---- requests ---- */

static void handle_execute(struct server *server, h2o_req_t *req)
{
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_CONTENT_TYPE, -1);
    if (at < 0 || !piston_accepts_type(req->headers.entries[at].value))
        send_message(req, 415, "requests must be of type application/json");
    else
        exchange_accept_piston(server, req);
}

static void handle_runtimes(struct server *server, h2o_req_t *req)
{
    http_reply_json(req, piston_list_runtimes(&server->scheduler));
}

static void handle_packages(struct server *server, h2o_req_t *req)
{
    http_reply_json(req, piston_list_packages(&server->scheduler));
}

static void handle_package_change(struct server *server, h2o_req_t *req)
{
    (void)server;
    send_message(req, 403,
                 "packages are the images of the worker hosts here: pe-image takes them in and out");
}

/* A result comes when it is complete, and input all at once: there is nothing to connect to. */
static void handle_connect(struct server *server, h2o_req_t *req)
{
    (void)server;
    send_message(req, 501, "there are no interactive jobs here: use POST /api/v2/execute");
}

static const struct {
    const char *method, *path;
    void (*handle)(struct server *server, h2o_req_t *req);
} routes[] = {
    {"POST", "execute", handle_execute},           {"GET", "runtimes", handle_runtimes},
    {"GET", "packages", handle_packages},          {"POST", "packages", handle_package_change},
    {"DELETE", "packages", handle_package_change}, {"GET", "connect", handle_connect},
};

/* What follows /api/v2/, or the public instance's /api/v2/piston/. */
static h2o_iovec_t name_of(h2o_iovec_t path)
{
    static const char *const bases[] = {"/api/v2/piston/", "/api/v2/"};
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        size_t size = strlen(bases[i]);
        if (path.len >= size && !memcmp(path.base, bases[i], size))
            return h2o_iovec_init(path.base + size, path.len - size);
    }
    return h2o_iovec_init(H2O_STRLIT(""));
}

static bool is_method(const h2o_req_t *req, const char *method)
{
    bool head = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
    return h2o_memis(req->method.base, req->method.len, method, strlen(method)) ||
           (head && !strcmp(method, "GET"));
}

void piston_handle(struct server *server, h2o_req_t *req)
{
    h2o_iovec_t name = name_of(req->path_normalized);
    bool preflight = is_method(req, "OPTIONS");
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!h2o_memis(name.base, name.len, routes[i].path, strlen(routes[i].path)))
            continue;
        if (preflight) {
            cors_send_preflight(&server->settings->cors_origins, req, routes[i].method);
            return;
        }
        if (is_method(req, routes[i].method)) {
            routes[i].handle(server, req);
            return;
        }
    }
    send_message(req, 404, "Not Found");
}
