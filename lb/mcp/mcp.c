/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of the protocol, and the dialect in which the tool `run` is an exchange. */
#include "lb/mcp/mcp.h"

#include "base/cleanup.h"
#include "lb/edge/cors.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/negotiate.h"
#include "lb/edge/problems.h"
#include "lb/mcp/catalog_tools.h"
#include "lb/mcp/message.h"
#include "lb/mcp/progress.h"
#include "lb/mcp/run_tool.h"
#include "lb/mcp/versions.h"
#include "proto/job_spec.h"

#include <string.h>
#include <strings.h>

#define SERVER_INFO "io.modelcontextprotocol/serverInfo"
#define SERVER_NAME "program-explorer"
#define SERVER_VERSION "0.1"

enum { TOOLS_TTL_MS = 3600000 }; /* the tools change only with the program */

static const char instructions[] =
    "Runs programs in fresh virtual machines. Call list_images once to learn which languages there are, then "
    "run with the source files. Every call starts afresh and has no network.";

/* ---- the tool `run` ---- */

struct mcp_exchange {
    struct exchange exchange;
    struct mcp_message message;
    uint64_t progress; /* of the last notification */
};

static struct mcp_message *message_of(const struct exchange *exchange)
{
    return &pe_list_entry(exchange, struct mcp_exchange, exchange)->message;
}

static int read_message(const struct exchange *exchange, struct pe_error *err)
{
    struct mcp_message *message = message_of(exchange);
    h2o_iovec_t body = exchange->req->entity;
    return message->json ? 0 : mcp_message_read(body.base, body.len, message, err);
}

static bool accepts_events(const struct exchange *exchange)
{
    static const char *const types[] = {"text/event-stream"};
    const h2o_headers_t *headers = &exchange->req->headers;
    ssize_t at = h2o_find_header(headers, H2O_TOKEN_ACCEPT, -1);
    h2o_iovec_t accept = at < 0 ? h2o_iovec_init(NULL, 0) : headers->entries[at].value;
    return negotiate_media_type(accept.base, accept.len, types, 1) == 0;
}

/* A client that wants to hear of progress gets events. A body that cannot be read is refused later. */
static int choose_format(struct exchange *exchange, struct pe_error *err)
{
    if (read_message(exchange, err) == 0 && mcp_progress_token(message_of(exchange)) &&
        accepts_events(exchange))
        exchange->format = RESULT_EVENT_STREAM;
    return 0;
}

static int read_body(struct exchange *exchange, struct pe_error *err)
{
    if (read_message(exchange, err) < 0)
        return -1;
    const struct mcp_message *message = message_of(exchange);
    return run_tool_read(json_object_get(message->params, "arguments"), &exchange->submission, err);
}

static bool is_known(const struct exchange *exchange)
{
    const struct pe_job_spec *spec = &exchange->submission.spec;
    return scheduler_find_image(exchange->exchanges->jobs->scheduler, spec->image, spec->isolation) != NULL;
}

/* A problem is a result that the model can read, except for a missing key: clients look at the status then.
 * Requests that are refused before their body is read have no id yet. */
static void send_problem(struct exchange *exchange, const struct pe_problem *problem)
{
    struct pe_error ignored;
    int failed = read_message(exchange, &ignored);
    (void)failed;
    if (problem->status == 401) {
        http_reply_problem(exchange->req, problem);
        return;
    }
    http_reply_json(exchange->req, mcp_response(message_of(exchange), run_tool_problem(problem)));
}

static int append_response(const struct exchange *exchange, const struct job_result *result,
                           struct pe_buf *out, struct pe_error *err)
{
    pe_autofree char *id = json_dumps(message_of(exchange)->id, JSON_ENCODE_ANY);
    if (!id)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for a response");
    if (pe_buf_printf(out, err, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":", id) < 0 ||
        run_tool_append_result(result, out, err) < 0)
        return -1;
    return pe_buf_append_text(out, "}", err);
}

static int append_json(const struct exchange *exchange, const struct job_result *result, struct pe_buf *out,
                       struct pe_error *err)
{
    return append_response(exchange, result, out, err) < 0 ? -1 : pe_buf_append_text(out, "\n", err);
}

/* ---- the same as events ---- */

static int append_problem(const struct exchange *exchange, const struct pe_problem *problem,
                          struct pe_buf *out, struct pe_error *err)
{
    pe_autojson json_t *json = mcp_response(message_of(exchange), run_tool_problem(problem));
    pe_autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    return text ? pe_buf_append_text(out, text, err)
                : pe_fail(err, PE_ERR_INTERNAL, "out of memory for a problem");
}

static int write_event(void *context, const struct event *event, struct pe_buf *out, struct pe_error *err)
{
    struct exchange *exchange = context;
    struct mcp_exchange *own = pe_list_entry(exchange, struct mcp_exchange, exchange);
    switch (event->kind) {
    case EVENT_RESULT:
        return append_response(exchange, event->result, out, err);
    case EVENT_PROBLEM:
        return append_problem(exchange, event->problem, out, err);
    default:
        return mcp_progress_append(mcp_progress_token(&own->message), event, &own->progress, out, err);
    }
}

static void dispose(struct exchange *exchange)
{
    mcp_message_free(message_of(exchange));
}

void mcp_init(struct mcp *mcp, struct exchanges *exchanges, const struct pe_option_list *cors_origins)
{
    *mcp = (struct mcp){.dialect = {.name = "POST /mcp",
                                    .exchange_size = sizeof(struct mcp_exchange),
                                    .choose_format = choose_format,
                                    .read_body = read_body,
                                    .is_known = is_known,
                                    .send_problem = send_problem,
                                    .append_json = append_json,
                                    .write_event = write_event,
                                    .vm_error_is_problem = true,
                                    .dispose = dispose},
                        .exchanges = exchanges,
                        .cors_origins = cors_origins};
}

/* ---- replies ---- */

static void reply(h2o_req_t *req, const struct mcp_message *message, json_t *result)
{
    json_t *info = json_pack("{s:{s:s, s:s}}", SERVER_INFO, "name", SERVER_NAME, "version", SERVER_VERSION);
    if (json_object_set_new(result, "_meta", info) < 0 ||
        json_object_set_new(result, "resultType", json_string("complete")) < 0) {
        json_decref(result);
        result = NULL;
    }
    http_reply_json(req, mcp_response(message, result));
}

static void reply_error(h2o_req_t *req, int status, const struct mcp_message *message, enum mcp_code code,
                        const char *text, json_t *data)
{
    http_reply_json_status(req, status, mcp_error_response(message, code, text, data));
}

/* ---- methods ---- */

static json_t *capabilities(void)
{
    return json_pack("{s:{}}", "tools");
}

static void handle_initialize(struct mcp *mcp, h2o_req_t *req, const struct mcp_message *message)
{
    const char *wanted = json_string_value(json_object_get(message->params, "protocolVersion"));
    (void)mcp;
    reply(req, message,
          json_pack("{s:s, s:o, s:{s:s, s:s, s:s}, s:s}", "protocolVersion", mcp_legacy_version(wanted),
                    "capabilities", capabilities(), "serverInfo", "name", SERVER_NAME, "title",
                    "Program Explorer", "version", SERVER_VERSION, "instructions", instructions));
}

static void handle_discover(struct mcp *mcp, h2o_req_t *req, const struct mcp_message *message)
{
    (void)mcp;
    reply(req, message,
          json_pack("{s:o, s:o, s:s, s:i, s:s}", "supportedVersions", mcp_versions(), "capabilities",
                    capabilities(), "instructions", instructions, "ttlMs", TOOLS_TTL_MS, "cacheScope",
                    "public"));
}

static void handle_ping(struct mcp *mcp, h2o_req_t *req, const struct mcp_message *message)
{
    (void)mcp;
    http_reply_json(req, mcp_response(message, json_object()));
}

static void handle_list(struct mcp *mcp, h2o_req_t *req, const struct mcp_message *message)
{
    (void)mcp;
    reply(req, message,
          json_pack("{s:o, s:i, s:s}", "tools", mcp_tool_definitions(), "ttlMs", TOOLS_TTL_MS, "cacheScope",
                    "public"));
}

static void handle_call(struct mcp *mcp, h2o_req_t *req, const struct mcp_message *message)
{
    const char *name = json_string_value(json_object_get(message->params, "name"));
    const json_t *arguments = json_object_get(message->params, "arguments");
    const struct scheduler *scheduler = mcp->exchanges->jobs->scheduler;
    if (arguments && !json_is_object(arguments))
        reply_error(req, 200, message, MCP_INVALID_PARAMS, "params.arguments must be an object", NULL);
    else if (name && !strcmp(name, "run"))
        exchange_accept(mcp->exchanges, &mcp->dialect, req);
    else if (name && !strcmp(name, "list_images"))
        reply(req, message, mcp_list_images(scheduler, arguments));
    else if (name && !strcmp(name, "describe_image"))
        reply(req, message, mcp_describe_image(scheduler, arguments));
    else
        reply_error(req, 200, message, MCP_INVALID_PARAMS,
                    "there is no such tool: the tools are run, list_images and describe_image", NULL);
}

static const struct method {
    const char *name;
    bool modern, legacy; /* the revisions that have it */
    void (*handle)(struct mcp *mcp, h2o_req_t *req, const struct mcp_message *message);
} methods[] = {
    {"initialize", false, true, handle_initialize},
    {"server/discover", true, false, handle_discover},
    {"ping", false, true, handle_ping},
    {"tools/list", true, true, handle_list},
    {"tools/call", true, true, handle_call},
};

static void handle_request(struct mcp *mcp, h2o_req_t *req, const struct mcp_message *message)
{
    bool modern = mcp_is_modern(req, message);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (!strcmp(methods[i].name, message->method) && (modern ? methods[i].modern : methods[i].legacy)) {
            methods[i].handle(mcp, req, message);
            return;
        }
    }
    reply_error(req, modern ? 404 : 200, message, MCP_METHOD_NOT_FOUND, "Method not found", NULL);
}

/* ---- requests ---- */

/* A web page on another machine must not reach a service behind a firewall through its visitor's browser,
 * under whatever name the page has in the DNS. Pages of this machine may. */
static bool is_local_origin(h2o_iovec_t origin)
{
    static const char *const hosts[] = {"http://localhost",  "http://127.0.0.1",  "http://[::1]",
                                        "https://localhost", "https://127.0.0.1", "https://[::1]"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        size_t size = strlen(hosts[i]);
        if (origin.len >= size && !memcmp(origin.base, hosts[i], size) &&
            (origin.len == size || origin.base[size] == ':'))
            return true;
    }
    return false;
}

static bool has_bad_origin(const struct mcp *mcp, const h2o_req_t *req)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("origin"), -1);
    return at >= 0 && !is_local_origin(req->headers.entries[at].value) &&
           !cors_allows(mcp->cors_origins, req);
}

static bool is_json(const h2o_req_t *req)
{
    static const char json[] = "application/json";
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_CONTENT_TYPE, -1);
    h2o_iovec_t type = at < 0 ? h2o_iovec_init(NULL, 0) : req->headers.entries[at].value;
    size_t size = sizeof json - 1;
    return type.len >= size && !strncasecmp(type.base, json, size) &&
           (type.len == size || memchr("; \t", type.base[size], 3));
}

static enum mcp_code code_of(const struct pe_error *err)
{
    return err->kind == PE_ERR_MALFORMED ? MCP_PARSE_ERROR : MCP_INVALID_REQUEST;
}

static void handle_post(struct mcp *mcp, h2o_req_t *req)
{
    struct pe_error err;
    mcp_automessage struct mcp_message message = {0};
    if (mcp_message_read(req->entity.base, req->entity.len, &message, &err) < 0) {
        reply_error(req, err.kind == PE_ERR_TOO_LARGE ? 413 : 400, &message, code_of(&err), err.message,
                    NULL);
        return;
    }
    struct mcp_fault fault = mcp_check_request(req, &message);
    if (fault.code)
        reply_error(req, 400, &message, fault.code, fault.text, fault.data);
    else if (message.id)
        handle_request(mcp, req, &message);
    else
        http_reply_accepted(req); /* a notification: none of them changes anything here */
}

void mcp_handle(struct mcp *mcp, h2o_req_t *req)
{
    const struct mcp_message unknown = {0};
    struct pe_problem problem;
    if (h2o_memis(req->method.base, req->method.len, H2O_STRLIT("OPTIONS"))) {
        cors_send_preflight(mcp->cors_origins, req, "POST");
    } else if (!h2o_memis(req->method.base, req->method.len, H2O_STRLIT("POST"))) {
        problem = problem_make("method-not-allowed", "this path accepts POST");
        http_reply_header(req, "allow", "POST");
        http_reply_problem(req, &problem);
    } else if (has_bad_origin(mcp, req)) {
        reply_error(req, 403, &unknown, MCP_INVALID_REQUEST,
                    "the Origin of this request is not allowed (pe-lb --cors-origin)", NULL);
    } else if (!is_json(req)) {
        problem = problem_make("unsupported-media-type", "a message must be of type application/json");
        http_reply_problem(req, &problem);
    } else {
        handle_post(mcp, req);
    }
}
