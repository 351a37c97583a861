/* SPDX-License-Identifier: Apache-2.0 */
/* The paths, methods and errors of Piston's API, and its dialect of an exchange. Everything
 * between the request and the result of a job is the same for all APIs (lb/api/exchange.h). */
#include "lb/piston/piston.h"

#include "base/cleanup.h"
#include "codec/utf8_text.h"
#include "lb/edge/cors.h"
#include "lb/edge/http_reply.h"
#include "lb/piston/body.h"
#include "lb/piston/connect.h"
#include "lb/piston/reply.h"
#include "lb/piston/request.h"
#include "lb/piston/runtimes.h"

#include <string.h>
#include <strings.h>

/* ---- messages ---- */

static void send_message(h2o_req_t *req, int status, const char *message)
{
    struct pe_error ignored;
    pe_autobuf struct pe_buf repaired = {0};
    pe_autojson json_t *json = NULL;
    if (pe_utf8_append_repaired(&repaired, message, strlen(message), &ignored) == 0)
        json = json_pack("{s:o}", "message",
                         json_stringn_nocheck(repaired.size ? (char *)repaired.data : "", repaired.size));
    http_reply_json_status(req, status, pe_steal_ptr(&json));
}

/* Piston does not use 422, and to it an unknown runtime is a bad request. */
static int status_of(const struct pe_problem *problem)
{
    return problem->status == 422 || problem->status == 404 ? 400 : problem->status;
}

static void send_problem(struct exchange *exchange, const struct pe_problem *problem)
{
    http_reply_retry_after(exchange->req, problem->retry_after_s);
    send_message(exchange->req, status_of(problem), problem->detail);
}

static h2o_iovec_t encoding_of(const h2o_req_t *req)
{
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_CONTENT_ENCODING, -1);
    return at < 0 ? h2o_iovec_init(NULL, 0) : req->headers.entries[at].value;
}

static bool accepts_type(h2o_iovec_t type)
{
    static const char *const types[] = {"application/json", "text/plain"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t size = strlen(types[i]);
        if (type.len >= size && !strncasecmp(type.base, types[i], size))
            return true;
    }
    return false;
}

/* ---- the dialect ---- */

struct piston_exchange {
    struct exchange exchange;
    struct piston_request request;
};

static struct piston_request *request_of(const struct exchange *exchange)
{
    return &pe_list_entry(exchange, struct piston_exchange, exchange)->request;
}

static int read_body(struct exchange *exchange, struct pe_error *err)
{
    h2o_iovec_t body = exchange->req->entity, encoding = encoding_of(exchange->req);
    const struct pe_cursor sent = {.at = (const uint8_t *)body.base, .left = body.len};
    pe_autobuf struct pe_buf plain = {0};
    if (encoding.len == 0)
        return piston_request_read(body.base, body.len, request_of(exchange), err);
    if (piston_body_decompress(encoding.base, encoding.len, sent, PISTON_BODY_MAX, &plain, err) < 0)
        return -1;
    return piston_request_read(plain.data, plain.size, request_of(exchange), err);
}

static bool is_known(const struct exchange *exchange)
{
    return piston_request_fits(request_of(exchange), exchange->exchanges->jobs->scheduler);
}

/* The request becomes a job when a runtime is found for it. */
static int resolve(struct exchange *exchange, struct pe_error *err)
{
    const struct piston *piston = pe_list_entry(exchange->dialect, struct piston, dialect);
    struct piston_request *request = request_of(exchange);
    if (piston_request_resolve(request, exchange->exchanges->jobs->scheduler, piston->limits,
                               &exchange->submission, err) < 0)
        return -1;
    exchange->waiter.bytes += request->contents.capacity;
    return 0;
}

static int append_json(const struct exchange *exchange, const struct job_result *result, struct pe_buf *out,
                       struct pe_error *err)
{
    return piston_reply_encode(request_of(exchange), result, out, err);
}

static void dispose(struct exchange *exchange)
{
    piston_request_free(request_of(exchange));
}

void piston_init(struct piston *piston, struct exchanges *exchanges, struct live_sessions *sessions,
                 const struct pe_option_list *cors_origins, const struct pe_runtime_limits *limits)
{
    *piston = (struct piston){.dialect = {.name = "POST /api/v2/execute",
                                          .exchange_size = sizeof(struct piston_exchange),
                                          .read_body = read_body,
                                          .is_known = is_known,
                                          .resolve = resolve,
                                          .send_problem = send_problem,
                                          .append_json = append_json,
                                          .vm_error_is_problem = true,
                                          .dispose = dispose},
                              .exchanges = exchanges,
                              .cors_origins = cors_origins,
                              .limits = limits};
    piston_connects_init(&piston->connects, sessions, limits);
}

/* ---- requests ---- */

static void handle_execute(struct piston *piston, h2o_req_t *req)
{
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_CONTENT_TYPE, -1);
    h2o_iovec_t encoding = encoding_of(req);
    if (at < 0 || !accepts_type(req->headers.entries[at].value))
        send_message(req, 415, "requests must be of type application/json");
    else if (!piston_body_is_supported(encoding.base, encoding.len))
        send_message(req, 415, "the Content-Encoding of a request must be gzip or deflate");
    else
        exchange_accept(piston->exchanges, &piston->dialect, req);
}

/* The state of a response with a list. */
struct listing {
    struct piston_text *text;
    struct pe_cursor left;
};

static int append_listing(void *state, struct pe_buf *out, size_t room, bool *ended, struct pe_error *err)
{
    struct pe_cursor *left = &((struct listing *)state)->left;
    size_t size = left->left < room ? left->left : room;
    *ended = size == left->left;
    return pe_buf_append(out, pe_cursor_read(left, size), size, err);
}

static void release_listing(void *state)
{
    piston_text_unref(((struct listing *)state)->text);
}

/* Send a list. `text`: NULL if `err` says why it could not be made. */
static void send_listing(const struct piston *piston, h2o_req_t *req, struct piston_text *text,
                         const struct pe_error *err)
{
    static const struct body_source source = {.append = append_listing, .release = release_listing};
    if (!text) {
        send_message(req, 500, err->message);
        return;
    }
    const struct listing listing = {.text = text, .left = {.at = text->bytes.data, .left = text->bytes.size}};
    http_reply_header(req, "cache-control", "no-store");
    req->res.content_length = text->bytes.size;
    body_stream_send(piston->exchanges->streams, req, "application/json", &source, &listing, sizeof listing);
}

static void handle_runtimes(struct piston *piston, h2o_req_t *req)
{
    struct pe_error err;
    send_listing(piston, req, piston_list_runtimes(&piston->list, piston->exchanges->jobs->scheduler, &err),
                 &err);
}

static void handle_packages(struct piston *piston, h2o_req_t *req)
{
    struct pe_error err;
    send_listing(piston, req, piston_list_packages(&piston->list, piston->exchanges->jobs->scheduler, &err),
                 &err);
}

static void handle_package_change(struct piston *piston, h2o_req_t *req)
{
    (void)piston;
    send_message(req, 403, "packages are the images of the workers: pe-image adds and removes them");
}

static void handle_connect(struct piston *piston, h2o_req_t *req)
{
    const char *client_key = NULL;
    struct client_identity who;
    struct pe_problem refusal = access_identify(piston->exchanges->access, req, &who);
    if (!cors_may_connect(piston->cors_origins, req))
        send_message(req, 403,
                     "pages of this origin may not use the service; pe-lb --cors-origin allows them");
    else if (refusal.status)
        send_message(req, refusal.status, refusal.detail);
    else if (h2o_is_websocket_handshake(req, &client_key) == 0 && client_key)
        piston_connect(&piston->connects, &who, req, client_key);
    else
        send_message(req, 426, "connect needs a WebSocket; POST execute runs a job without one");
}

static const struct {
    const char *method, *path;
    void (*handle)(struct piston *piston, h2o_req_t *req);
} routes[] = {
    {"POST", "execute", handle_execute},           {"GET", "runtimes", handle_runtimes},
    {"GET", "packages", handle_packages},          {"POST", "packages", handle_package_change},
    {"DELETE", "packages", handle_package_change}, {"GET", "connect", handle_connect},
};

/* The part of a path after /api/v2/, or after /api/v2/piston/ as on Piston's public instance. As in
 * Piston, a slash may follow. */
static h2o_iovec_t name_of(h2o_iovec_t path)
{
    static const char *const bases[] = {"/api/v2/piston/", "/api/v2/"};
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        size_t size = strlen(bases[i]);
        if (path.len < size || memcmp(path.base, bases[i], size) != 0)
            continue;
        bool has_slash = path.len > size && path.base[path.len - 1] == '/';
        return h2o_iovec_init(path.base + size, path.len - size - has_slash);
    }
    return h2o_iovec_init(H2O_STRLIT(""));
}

static bool is_method(const h2o_req_t *req, const char *method)
{
    bool head = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
    return h2o_memis(req->method.base, req->method.len, method, strlen(method)) ||
           (head && !strcmp(method, "GET"));
}

void piston_handle(struct piston *piston, h2o_req_t *req)
{
    h2o_iovec_t name = name_of(req->path_normalized);
    bool preflight = is_method(req, "OPTIONS");
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!h2o_memis(name.base, name.len, routes[i].path, strlen(routes[i].path)))
            continue;
        if (preflight) {
            cors_send_preflight(piston->cors_origins, req, routes[i].method);
            return;
        }
        if (is_method(req, routes[i].method)) {
            routes[i].handle(piston, req);
            return;
        }
    }
    send_message(req, 404, "Not Found");
}
