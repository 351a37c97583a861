/* libh2o's configuration and the table of paths. */
#include "lb/api/exchange.h"
#include "lb/api/info.h"
#include "lb/api/job_status.h"
#include "lb/api/playground.h"
#include "lb/core/metrics.h"
#include "lb/edge/connection.h"
#include "lb/edge/cors.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "lb/piston/piston.h"
#include "lb/server.h"
#include "lb/workers/registration.h"
#include "lb/workers/slot_conn.h"
#include "proto/limits.h"

#include <string.h>

enum { REQUEST_MS = 120000 }; /* for a whole request; lb/edge/connection.c is stricter with slow ones */

static const struct route {
    const char *method; /* NULL: any, `handle` sees to them */
    const char *path;   /* one that ends in '/' stands for everything below it, "/" excepted */
    void (*handle)(struct server *server, h2o_req_t *req);
} routes[] = {
    {"POST", "/v1/run", exchange_accept},
    {"GET", "/v1/images", api_images},
    {"GET", JOB_STATUS_PATH, api_job},
    {"GET", "/v1/hosts", api_hosts},
    {NULL, "/v1/hosts/", api_host_drain},
    {"GET", "/healthz", api_health},
    {"GET", "/metrics", api_metrics},
    {"GET", "/openapi.json", api_openapi},
    {"GET", "/problems/", api_problem},
    {"GET", PE_SLOT_PATH, slot_conn_accept},
    {"GET", PE_CONTROL_PATH, registration_accept},
    {NULL, "/api/v2/", piston_handle},
    {"GET", "/", playground_handle},
    {"GET", "/embed", playground_handle},
    {"GET", "/assets/", playground_handle},
};

static bool path_fits(const struct route *route, h2o_iovec_t path)
{
    size_t size = strlen(route->path);
    bool below = size > 1 && route->path[size - 1] == '/' && path.len > size;
    return (below || path.len == size) && !memcmp(path.base, route->path, size);
}

static bool method_fits(const struct route *route, h2o_iovec_t method)
{
    return h2o_memis(method.base, method.len, route->method, strlen(route->method)) ||
           (!strcmp(route->method, "GET") && h2o_memis(method.base, method.len, H2O_STRLIT("HEAD")));
}

static void refuse_method(h2o_req_t *req, const char *allowed)
{
    struct pe_problem problem = problem_make("method-not-allowed", "this path takes %s", allowed);
    http_reply_header(req, "allow", allowed);
    http_reply_problem(req, &problem);
}

struct router {
    h2o_handler_t super;
    struct server *server;
};

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    struct server *server = ((struct router *)self)->server;
    connection_request(connection_of(req->conn->callbacks->get_socket(req->conn)));
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const char *method = routes[i].method;
        const char *allowed = method && strcmp(method, "GET") == 0 ? "GET, HEAD" : method;
        if (!path_fits(&routes[i], req->path_normalized))
            continue;
        if (!method || method_fits(&routes[i], req->method))
            routes[i].handle(server, req);
        else if (h2o_memis(req->method.base, req->method.len, H2O_STRLIT("OPTIONS")))
            cors_send_preflight(&server->settings->cors_origins, req, allowed);
        else
            refuse_method(req, allowed);
        return 0;
    }
    struct pe_problem problem = problem_make("not-found", "there is nothing at this path");
    http_reply_problem(req, &problem);
    return 0;
}

void server_configure(struct server *server)
{
    const struct pe_option_list *origins = &server->settings->cors_origins;
    h2o_globalconf_t *config = &server->config;
    h2o_config_init(config);
    config->server_name = h2o_iovec_init(H2O_STRLIT("program-explorer"));
    config->http1.req_timeout = REQUEST_MS;
    /* HTTP/2 only by ALPN, and only when asked for: neither by Upgrade: h2c nor by prior knowledge. This
     * version of libh2o predates the fixes for rapid reset (CVE-2023-44487). */
    config->http1.upgrade_to_http2 = 0;
    config->max_request_entity_size = PE_BODY_BYTES_MAX;
    h2o_hostconf_t *host = h2o_config_register_host(config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct router *router = (struct router *)h2o_create_handler(path, sizeof *router);
    router->super.on_req = on_request;
    router->server = server;
    problem_filter_register(path, origins);
    /* of requests that are refused before they have a path */
    problem_filter_register(&host->fallback_path, origins);
}
