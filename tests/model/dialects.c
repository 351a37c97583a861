/* SPDX-License-Identifier: Apache-2.0 */
/* What clients of Piston and of the Model Context Protocol send, and how their requests get to the balancer.
 */
#include "tests/model/dialects.h"

#include "lb/piston/request.h"
#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/choices.h"
#include "tests/model/clients.h"
#include "tests/model/known.h"

#include <string.h>

enum { ANY_LANGUAGE = IMAGES, COMPILED_IMAGE = 1 };

static const struct pe_option_list no_origins;
static size_t counts[APIS];

size_t dialects_count(enum api api)
{
    return counts[api];
}

/* ---- the balancer's side: with which problem it is about to answer ---- */

static void (*send_piston_problem)(struct exchange *exchange, const struct pe_problem *problem);
static void (*send_mcp_problem)(struct exchange *exchange, const struct pe_problem *problem);

static void note_problem(const struct exchange *exchange, const struct pe_problem *problem)
{
    struct request *request = H2O_STRUCT_FROM_MEMBER(struct request, req, exchange->req);
    EXPECT(!request->has_in_mind, "request %u has two problems", request->number);
    request->in_mind = *problem;
    request->has_in_mind = true;
}

static void on_piston_problem(struct exchange *exchange, const struct pe_problem *problem)
{
    note_problem(exchange, problem);
    send_piston_problem(exchange, problem);
}

static void on_mcp_problem(struct exchange *exchange, const struct pe_problem *problem)
{
    note_problem(exchange, problem);
    send_mcp_problem(exchange, problem);
}

void dialects_start(void)
{
    piston_init(&balancer.piston, &balancer.exchanges, &balancer.live, &no_origins, &piston_default_limits);
    mcp_init(&balancer.mcp, &balancer.exchanges, &no_origins);
    send_piston_problem = balancer.piston.dialect.send_problem;
    send_mcp_problem = balancer.mcp.dialect.send_problem;
    balancer.piston.dialect.send_problem = on_piston_problem;
    balancer.mcp.dialect.send_problem = on_mcp_problem;
}

/* ---- languages: one for each image, and one that two images have in different versions ---- */

static json_t *runtime_of(unsigned image, const char *language, const char *version)
{
    json_t *runtime =
        json_pack("{s:s, s:s, s:[s, s]}", "language", language, "version", version, "run", "run", "{args}");
    if (image == COMPILED_IMAGE)
        json_object_set_new(runtime, "compile", json_pack("[s, s]", "cc", "{files}"));
    return runtime;
}

json_t *dialects_runtimes(unsigned image)
{
    char language[16], version[16];
    json_t *runtimes = json_array();
    snprintf(language, sizeof language, "lang-%u", image);
    snprintf(version, sizeof version, "%u.0.0", 1 + image);
    json_array_append_new(runtimes, runtime_of(image, language, version));
    if (image <= COMPILED_IMAGE)
        json_array_append_new(runtimes, runtime_of(image, "any", version));
    return runtimes;
}

static bool has_image(unsigned image)
{
    const struct pe_isolation_set any = {0};
    return known_variants(image, any) != 0;
}

bool request_is_known(const struct request *request)
{
    if (request->work.api == API_PISTON && request->language == ANY_LANGUAGE)
        return has_image(0) || has_image(COMPILED_IMAGE);
    return known_variants(request->work.image, request->demand) != 0;
}

/* The highest version is taken, and is not changed any more if its worker goes. */
void dialect_resolve(struct request *request)
{
    if (request->work.api != API_PISTON)
        return;
    request->work.language = request->language;
    if (request->language == ANY_LANGUAGE)
        request->work.image = has_image(COMPILED_IMAGE) ? COMPILED_IMAGE : 0;
    request->work.plan = request->work.image == COMPILED_IMAGE ? PLAN_COMPILED : PLAN_INTERPRETED;
}

/* ---- what is sent ---- */

static char *file_of(const struct request *request)
{
    size_t size = client_file_size(request->work.payload);
    char *text = calloc(1, size + 1);
    if (!text)
        abort();
    for (size_t i = 0; i < size; i++)
        text[i] = (char)client_file_byte(request->work.payload, i);
    return text;
}

static json_t *piston_body(const struct request *request, const char *file, const char *payload)
{
    char language[16];
    snprintf(language, sizeof language, request->language == ANY_LANGUAGE ? "any" : "lang-%u",
             request->language);
    return json_pack("{s:s, s:s, s:[{s:s, s:s}], s:[s]}", "language", language, "version", "*", "files",
                     "name", "in", "content", file, "args", payload);
}

/* Its time limit is not that of other requests, so that it is other work. */
static json_t *mcp_body(const struct request *request, const char *file, const char *payload)
{
    json_t *body = json_pack("{s:s, s:i, s:s, s:{s:s, s:{s:s, s:[s], s:i, s:{s:s}}}}", "jsonrpc", "2.0", "id",
                             (int)request->number, "method", "tools/call", "params", "name", "run",
                             "arguments", "image", name_of_image(request->work.image), "cmd", payload,
                             "timeout_ms", 2000, "files", "in", file);
    json_t *token = json_pack("{s:s}", "progressToken", "token");
    if (request->has_token)
        json_object_set(json_object_get(body, "params"), "_meta", token);
    json_decref(token);
    return body;
}

static void make_body(struct request *request)
{
    struct pe_error err;
    char payload[16];
    char *file = file_of(request);
    snprintf(payload, sizeof payload, "payload-%u", request->work.payload);
    json_t *body = request->work.api == API_PISTON ? piston_body(request, file, payload)
                                                   : mcp_body(request, file, payload);
    char *text = json_dumps(body, JSON_COMPACT);
    if (!text || pe_buf_append(&request->body, text, strlen(text) - request->is_malformed, &err) < 0)
        abort();
    free(text);
    free(file);
    json_decref(body);
}

void dialect_choose(struct request *request)
{
    bool is_piston = request->work.api == API_PISTON;
    request->demand = (struct pe_isolation_set){0};
    request->work.salt = 0;
    request->caching = CACHING_NONE;
    request->language = choose(IMAGES + 1);
    if (is_piston)
        request->work.image = request->language < IMAGES ? request->language : 0;
    request->is_malformed &= is_piston; /* others are refused before there is an exchange */
    request->has_token = !is_piston && chance(options.watchers);
    request_header(request, "content-type", "application/json");
    if (request->has_token) {
        request_header(request, "accept", "application/json, text/event-stream");
        request->watcher = watcher_make(EVENT_FRAMING_DATA);
    }
    make_body(request);
    counts[request->work.api]++;
}

json_t *dialect_choose_connect(struct request *request)
{
    char payload[16];
    char *file = file_of(request);
    request->demand = (struct pe_isolation_set){0};
    request->language = choose(IMAGES + 1);
    request->work.image = request->language < IMAGES ? request->language : 0;
    snprintf(payload, sizeof payload, "payload-%u", request->work.payload);
    json_t *message = piston_body(request, file, payload);
    json_object_set_new(message, "type", json_string("init"));
    free(file);
    return message;
}

void dialect_send(struct request *request)
{
    h2o_req_t *req = &request->req;
    req->method = h2o_iovec_init(H2O_STRLIT("POST"));
    if (request->work.api == API_MCP) {
        mcp_handle(&balancer.mcp, req);
        return;
    }
    req->path_normalized = h2o_iovec_init(H2O_STRLIT("/api/v2/execute"));
    piston_handle(&balancer.piston, req);
}
