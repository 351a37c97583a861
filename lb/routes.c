/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of libh2o, and the table of paths. */
#include "lb/server.h"

#include "lb/api/admin.h"
#include "lb/api/connect.h"
#include "lb/api/info.h"
#include "lb/api/job_status.h"
#include "lb/api/join.h"
#include "lb/api/metrics_page.h"
#include "lb/api/playground.h"
#include "lb/api/results.h"
#include "lb/edge/cors.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problem_filter.h"
#include "lb/edge/problems.h"
#include "lb/edge/request_framing.h"
#include "lb/workers/registration.h"
#include "lb/workers/slot_conn.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

/* ---- handlers: each hands a layer only the objects that it needs ---- */

static void handle_run(struct server *server, h2o_req_t *req)
{
    exchange_accept(&server->exchanges, &native_dialect, req);
}

static void handle_connect(struct server *server, h2o_req_t *req)
{
    api_connect(&server->sessions, &server->settings->cors_origins, req);
}

static void handle_images(struct server *server, h2o_req_t *req)
{
    api_images(&server->scheduler, &server->streams, req);
}

static void handle_job(struct server *server, h2o_req_t *req)
{
    api_job(&server->exchanges, req);
}

static void handle_job_cancel(struct server *server, h2o_req_t *req)
{
    api_job_cancel(&server->exchanges, req);
}

static void handle_join(struct server *server, h2o_req_t *req)
{
    api_join(&server->tokens, &server->host_images, req);
}

/* The tokens of those who operate the service. Where there are tokens for nothing else, a worker's token is
 * not enough. */
static const struct tokens *operators(const struct server *server)
{
    return server->admin_tokens.required ? &server->admin_tokens : &server->tokens;
}

static void handle_admin(struct server *server, h2o_req_t *req)
{
    api_admin(&server->jobs, &server->errors, &server->admin_tokens, req);
}

static void handle_admin_page(struct server *server, h2o_req_t *req)
{
    playground_handle(server->admin_tokens.required ? server->playground : NULL, &server->streams, req);
}

static void handle_result(struct server *server, h2o_req_t *req)
{
    api_result_delete(&server->jobs, &server->clients, &server->access, req);
}

static void handle_hosts(struct server *server, h2o_req_t *req)
{
    api_hosts(&server->audit, &server->tokens, operators(server), &server->streams, req);
}

static void handle_host_drain(struct server *server, h2o_req_t *req)
{
    api_host_drain(&server->audit, operators(server), req);
}

static void handle_health(struct server *server, h2o_req_t *req)
{
    api_health(&server->scheduler, server->draining, req);
}

static void handle_metrics(struct server *server, h2o_req_t *req)
{
    api_metrics(&server->metrics_sources, &server->streams, req);
}

static void handle_openapi(struct server *server, h2o_req_t *req)
{
    api_openapi(&server->streams, req);
}

static void handle_problem(struct server *server, h2o_req_t *req)
{
    (void)server;
    api_problem(req);
}

static void handle_slot(struct server *server, h2o_req_t *req)
{
    slot_conn_accept(&server->workers, req);
}

static void handle_registration(struct server *server, h2o_req_t *req)
{
    registration_accept(&server->workers, req);
}

static void handle_piston(struct server *server, h2o_req_t *req)
{
    piston_handle(&server->piston, req);
}

static void handle_mcp(struct server *server, h2o_req_t *req)
{
    mcp_handle(&server->mcp, req);
}

static void handle_playground(struct server *server, h2o_req_t *req)
{
    playground_handle(server->playground, &server->streams, req);
}

/* ---- the table ---- */

/* clang-format would put two routes into a line whenever their number is even. */
/* clang-format off */
static const struct route {
    const char *method; /* NULL: any; the handler checks it */
    const char *path;   /* if it ends with '/', all paths below it; "/" stands only for itself */
    void (*handle)(struct server *server, h2o_req_t *req);
} routes[] = {
    {"POST", "/v1/run", handle_run},
    {"GET", "/v1/connect", handle_connect},
    {"GET", "/v1/images", handle_images},
    {"GET", JOB_STATUS_PATH, handle_job},
    {"DELETE", JOB_STATUS_PATH, handle_job_cancel},
    {"DELETE", RESULTS_PATH, handle_result},
    {NULL, "/v1/join", handle_join},
    {"GET", "/v1/hosts", handle_hosts},
    {NULL, "/v1/hosts/", handle_host_drain},
    {"GET", "/v1/admin", handle_admin},
    {"GET", "/healthz", handle_health},
    {"GET", "/metrics", handle_metrics},
    {"GET", "/openapi.json", handle_openapi},
    {"GET", "/problems/", handle_problem},
    {"GET", PE_SLOT_PATH, handle_slot},
    {"GET", PE_CONTROL_PATH, handle_registration},
    {NULL, "/api/v2/", handle_piston},
    {NULL, "/mcp", handle_mcp},
    {"GET", "/", handle_playground},
    {"GET", "/embed", handle_playground},
    {"GET", "/admin", handle_admin_page},
    {"GET", "/assets/", handle_playground},
};
/* clang-format on */

static bool path_matches(const struct route *route, h2o_iovec_t path)
{
    size_t size = strlen(route->path);
    bool below = size > 1 && route->path[size - 1] == '/' && path.len > size;
    return (below || path.len == size) && !memcmp(path.base, route->path, size);
}

static bool method_matches(const struct route *route, h2o_iovec_t method)
{
    return h2o_memis(method.base, method.len, route->method, strlen(route->method)) ||
           (!strcmp(route->method, "GET") && h2o_memis(method.base, method.len, H2O_STRLIT("HEAD")));
}

static void refuse_method(h2o_req_t *req, const char *allowed)
{
    struct pe_problem problem = problem_make("method-not-allowed", "this path accepts %s", allowed);
    http_reply_header(req, "allow", allowed);
    http_reply_problem(req, &problem);
}

/* Nothing behind such a request on its connection can be trusted. */
static void refuse_framing(h2o_req_t *req, const char *fault)
{
    struct pe_problem problem =
        problem_make("malformed-request", "it is not clear where the request ends: %s", fault);
    req->http1_is_persistent = 0;
    http_reply_problem(req, &problem);
}

/* Append the method of a route to the list of those that a path accepts. */
static void allow(const struct route *route, char *allowed, size_t size)
{
    size_t used = strlen(allowed);
    snprintf(allowed + used, size - used, "%s%s", used ? ", " : "",
             strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method);
}

static void handle(h2o_req_t *req, void *data)
{
    struct server *server = data;
    char allowed[64] = "";
    const char *fault = request_framing_fault(req);
    if (fault) {
        refuse_framing(req, fault);
        return;
    }
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!path_matches(&routes[i], req->path_normalized))
            continue;
        if (!routes[i].method || method_matches(&routes[i], req->method)) {
            routes[i].handle(server, req);
            return;
        }
        allow(&routes[i], allowed, sizeof allowed);
    }
    if (allowed[0] && h2o_memis(req->method.base, req->method.len, H2O_STRLIT("OPTIONS"))) {
        cors_send_preflight(&server->settings->cors_origins, req, allowed);
        return;
    }
    if (allowed[0]) {
        refuse_method(req, allowed);
        return;
    }
    struct pe_problem problem = problem_make("not-found", "there is nothing at this path");
    http_reply_problem(req, &problem);
}

struct router {
    h2o_handler_t super;
    struct server *server;
};

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    struct server *server = ((struct router *)self)->server;
    connection_handle_request(&server->connections, req, handle, server);
    return 0;
}

void server_configure(struct server *server)
{
    const struct pe_option_list *origins = &server->settings->cors_origins;
    h2o_globalconf_t *config = &server->config;
    h2o_config_init(config);
    config->server_name = h2o_iovec_init(H2O_STRLIT("program-explorer"));
    config->http1.req_timeout = INT32_MAX; /* lb/edge/connection.c watches over slow and idle clients */
    config->http2.idle_timeout = INT32_MAX;
    /* HTTP/2 is offered only with ALPN, and only with --http2. Neither Upgrade: h2c nor prior
     * knowledge are accepted: this version of libh2o is older than the fixes for rapid reset
     * (CVE-2023-44487). */
    config->http1.upgrade_to_http2 = 0;
    config->max_request_entity_size = PE_BODY_BYTES_MAX;
    h2o_hostconf_t *host = h2o_config_register_host(config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct router *router = (struct router *)h2o_create_handler(path, sizeof *router);
    router->super.on_req = on_request;
    router->server = server;
    problem_filter_register(path, origins);
    /* For requests that are refused before they have a path. */
    problem_filter_register(&host->fallback_path, origins);
}
