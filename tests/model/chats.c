/* SPDX-License-Identifier: Apache-2.0 */
/* What agents say, and what must be answered: with each revision of the protocol, properly or not. */
#include "tests/model/chats.h"

#include "base/cleanup.h"
#include "lb/mcp/message.h"
#include "proto/job_spec.h"
#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/choices.h"
#include "tests/model/json_text.h"
#include "tests/model/known.h"
#include "tests/model/questions.h"

#include <string.h>

#define MODERN "2026-07-28"
#define META "io.modelcontextprotocol/"

static size_t total;

size_t chats_count(void)
{
    return total;
}

/* A message, and how it must be answered. */
struct chat {
    json_t *message; /* owned; NULL: `text` is sent */
    const char *text;
    const char *version; /* MCP-Protocol-Version; NULL: the header is not sent */
    bool is_modern;      /* its revision has no `initialize` */
    char method[32], name[32];
    int status;                                                   /* of HTTP */
    int code;                                                     /* of the error; 0: none */
    void (*check)(const struct chat *chat, const json_t *result); /* NULL: there is no result */
    unsigned image;                                               /* that is asked for */
};

/* ---- what a result must say ---- */

static void check_initialized(const struct chat *chat, const json_t *result)
{
    const char *wanted = text_of(json_object_get(chat->message, "params"), "protocolVersion");
    bool is_known = !strncmp(wanted, "2025-", 5);
    EXPECT(!strcmp(text_of(result, "protocolVersion"), is_known ? wanted : "2025-11-25"),
           "an agent that wants version '%s' gets version '%s'", wanted, text_of(result, "protocolVersion"));
    EXPECT(json_object_get(json_object_get(result, "capabilities"), "tools"), "an agent is told of no tools");
}

static void check_discovered(const struct chat *chat, const json_t *result)
{
    const json_t *versions = json_object_get(result, "supportedVersions");
    const char *first = json_string_value(json_array_get(versions, 0));
    (void)chat;
    EXPECT(json_array_size(versions) == 4 && first && !strcmp(first, MODERN), "the versions are wrong");
}

static void check_pinged(const struct chat *chat, const json_t *result)
{
    (void)chat;
    EXPECT(json_is_object(result) && !json_object_size(result), "a ping is answered with something");
}

static void check_tools(const struct chat *chat, const json_t *result)
{
    static const char *const names[] = {"run", "list_images", "describe_image"};
    const json_t *tools = json_object_get(result, "tools");
    (void)chat;
    EXPECT(json_array_size(tools) == 3, "there are %zu tools", json_array_size(tools));
    for (size_t i = 0; i < 3; i++)
        EXPECT(!strcmp(text_of(json_array_get(tools, i), "name"), names[i]), "tool %zu is '%s'", i,
               text_of(json_array_get(tools, i), "name"));
}

/* The text of a tool's result. */
static const char *text_in(const json_t *result)
{
    return text_of(json_array_get(json_object_get(result, "content"), 0), "text");
}

static void check_tool_fault(const struct chat *chat, const json_t *result)
{
    EXPECT(json_is_true(json_object_get(result, "isError")) && *text_in(result), "%s succeeds with '%s'",
           chat->name, text_in(result));
}

static unsigned variants_of(unsigned image)
{
    const struct pe_isolation_set any = {0};
    return known_variants(image, any);
}

/* The list has the images of all workers, each of them once. */
static void check_images(const struct chat *chat, const json_t *result)
{
    size_t size = 0;
    for (unsigned image = 0; image < IMAGES; image++) {
        const char *found = strstr(text_in(result), name_of_image(image));
        if (variants_of(image))
            size += strlen(name_of_image(image)) + 1;
        EXPECT(!found == !variants_of(image), "the list of images '%s' is wrong about %s", text_in(result),
               name_of_image(image));
    }
    if (!size) {
        check_tool_fault(chat, result);
        return;
    }
    EXPECT(strlen(text_in(result)) == size && !json_is_true(json_object_get(result, "isError")),
           "the list of images is '%s'", text_in(result));
}

static void check_image(const struct chat *chat, const json_t *result)
{
    unsigned variants = variants_of(chat->image);
    if (!variants) {
        check_tool_fault(chat, result);
        return;
    }
    pe_autojson json_t *entry = json_loads(text_in(result), 0, NULL);
    bool is_right = false;
    for (unsigned variant = 1; variant < VARIANTS; variant++)
        is_right |=
            variants & 1u << variant && !strcmp(text_of(entry, "digest"), digest_of(chat->image, variant));
    EXPECT(is_right && !strcmp(text_of(entry, "name"), name_of_image(chat->image)), "%s is described as '%s'",
           name_of_image(chat->image), text_in(result));
}

/* ---- what is said ---- */

/* A method that exists in some revisions, without parameters. */
static void choose_method(struct chat *chat)
{
    static const struct {
        const char *name;
        bool modern, legacy;
        void (*check)(const struct chat *chat, const json_t *result);
    } methods[] = {{"initialize", false, true, check_initialized},
                   {"server/discover", true, false, check_discovered},
                   {"ping", false, true, check_pinged},
                   {"tools/list", true, true, check_tools},
                   {"resources/list", false, false, NULL},
                   {"prompts/list", false, false, NULL},
                   {"", false, false, NULL}};
    unsigned at = choose(sizeof methods / sizeof *methods);
    snprintf(chat->method, sizeof chat->method, "%s", methods[at].name);
    if (chat->is_modern ? methods[at].modern : methods[at].legacy) {
        chat->check = methods[at].check;
        return;
    }
    chat->status = chat->is_modern ? 404 : 200;
    chat->code = MCP_METHOD_NOT_FOUND;
}

/* A version that exists, one that does not, or none. */
static json_t *choose_wanted_version(void)
{
    static const char *const wanted[] = {"2025-11-25", "2025-06-18", "2025-03-26", "1999-01-01", MODERN};
    unsigned at = choose(6);
    return at < 5 ? json_pack("{s:s}", "protocolVersion", wanted[at]) : json_object();
}

/* A call of a tool that needs no job, or of none. */
static json_t *choose_call(struct chat *chat)
{
    static const char *const names[] = {"list_images", "list_images", "describe_image", "describe_image",
                                        "other"};
    json_t *arguments = json_object();
    snprintf(chat->method, sizeof chat->method, "tools/call");
    snprintf(chat->name, sizeof chat->name, "%s", names[choose(5)]);
    chat->image = choose(IMAGES);
    bool is_list = !strcmp(chat->name, "list_images"), is_description = chat->name[0] == 'd';
    unsigned fault = chance(20) ? 1 + choose(2) : 0;
    chat->check = is_list ? check_images : check_image;
    if (is_description && fault != 1)
        json_object_set_new(arguments, "image",
                            json_string(fault ? "image-9:1" : name_of_image(chat->image)));
    if (is_list && fault)
        json_object_set_new(arguments, "file", fault == 1 ? json_integer(1) : json_string("main.c"));
    if (fault)
        chat->check = check_tool_fault;
    if (!is_list && !is_description) {
        chat->check = NULL;
        chat->code = MCP_INVALID_PARAMS;
    } else if (chance(5)) {
        json_decref(arguments);
        arguments = json_array();
        chat->check = NULL;
        chat->code = MCP_INVALID_PARAMS;
    }
    return json_pack("{s:s, s:o}", "name", chat->name, "arguments", arguments);
}

static json_t *choose_id(void)
{
    return chance(50) ? json_integer(choose(256)) : json_string("an id");
}

/* ---- versions ---- */

static void expect_fault(struct chat *chat, int code)
{
    chat->check = NULL;
    chat->status = 400;
    chat->code = code;
}

/* What every message of the modern revision has with it, or most of it. */
static void add_meta(struct chat *chat, json_t *params)
{
    unsigned fault = chance(25) ? 1 + choose(3) : 0;
    json_t *meta = json_object();
    if (fault != 1)
        json_object_set_new(meta, META "protocolVersion", json_string(fault == 3 ? "2099-01-01" : MODERN));
    if (fault != 2)
        json_object_set_new(meta, META "clientCapabilities", json_object());
    json_object_set_new(params, "_meta", meta);
    if (fault)
        expect_fault(chat, fault == 3 ? MCP_HEADER_MISMATCH : MCP_INVALID_PARAMS);
}

static void choose_version(struct chat *chat)
{
    static const char *const versions[] = {NULL, "2025-11-25", "2025-06-18", "2025-03-26"};
    chat->is_modern = chance(40);
    chat->version = chat->is_modern ? MODERN : versions[choose(4)];
}

/* ---- messages ---- */

static void make_request(struct chat *chat)
{
    choose_version(chat);
    json_t *params = chance(50) ? choose_call(chat) : NULL;
    if (!params) {
        choose_method(chat);
        params = choose_wanted_version();
    }
    if (chat->is_modern)
        add_meta(chat, params);
    if (!chat->is_modern && chance(5)) {
        chat->version = "1999-01-01";
        expect_fault(chat, MCP_UNSUPPORTED_VERSION);
    }
    chat->message = json_pack("{s:s, s:o, s:s, s:o}", "jsonrpc", "2.0", "id", choose_id(), "method",
                              chat->method, "params", params);
}

/* Nothing is answered to a notification, whatever it says. */
static void make_notification(struct chat *chat)
{
    static const char *const methods[] = {"notifications/initialized", "notifications/cancelled",
                                          "tools/list", "tools/call"};
    snprintf(chat->method, sizeof chat->method, "%s", methods[choose(4)]);
    chat->message = json_pack("{s:s, s:s}", "jsonrpc", "2.0", "method", chat->method);
    chat->status = 202;
}

/* What is no message. Batches are none, either. */
static void make_nonsense(struct chat *chat)
{
    static const struct {
        const char *text;
        int code;
    } texts[] = {{"", MCP_PARSE_ERROR},
                 {"{", MCP_PARSE_ERROR},
                 {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}}", MCP_PARSE_ERROR},
                 {"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":1,\"method\":\"ping\"}", MCP_PARSE_ERROR},
                 {"[]", MCP_INVALID_REQUEST},
                 {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", MCP_INVALID_REQUEST},
                 {"null", MCP_INVALID_REQUEST},
                 {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", MCP_INVALID_REQUEST},
                 {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", MCP_INVALID_REQUEST},
                 {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", MCP_INVALID_REQUEST},
                 {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", MCP_INVALID_REQUEST},
                 {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":[]}", MCP_INVALID_REQUEST}};
    unsigned at = choose(sizeof texts / sizeof *texts);
    chat->text = texts[at].text;
    expect_fault(chat, texts[at].code);
}

static void make_chat(struct chat *chat)
{
    unsigned what = choose(10);
    *chat = (struct chat){.status = 200};
    if (what < 7)
        make_request(chat);
    else if (what < 8)
        make_notification(chat);
    else
        make_nonsense(chat);
}

/* ---- sending ---- */

/* Headers by which a page of another machine, or something that is no JSON, is refused. */
static void choose_headers(struct chat *chat, struct request *question)
{
    unsigned fault = chance(8) ? 1 + choose(3) : 0;
    bool is_refused = fault == 1 || fault == 2;
    request_header(question, "content-type", fault == 1 ? "text/plain" : "application/json; charset=utf-8");
    if (fault > 1)
        request_header(question, "origin", fault == 2 ? "https://localhost.example" : "http://localhost:99");
    if (chat->version)
        request_header(question, "mcp-protocol-version", chat->version);
    if (chat->is_modern) {
        request_header(question, "mcp-method", chat->method);
        request_header(question, "mcp-name", chat->name);
    }
    if (!is_refused)
        return;
    chat->check = NULL;
    chat->code = fault == 2 ? MCP_INVALID_REQUEST : 0;
    chat->status = fault == 2 ? 403 : 415;
}

static void send_chat(struct chat *chat)
{
    struct request *question = question_begin(choose(CLIENTS));
    pe_autofree char *dumped = chat->message ? json_dumps(chat->message, JSON_COMPACT) : NULL;
    const char *text = dumped ? dumped : chat->text;
    h2o_req_t *req = &question->req;
    choose_headers(chat, question);
    TRACE("an agent says '%s', with the version %s", text, chat->version ? chat->version : "of nobody");
    req->method = h2o_iovec_init(H2O_STRLIT("POST"));
    req->entity = h2o_iovec_init(text, strlen(text));
    mcp_handle(&balancer.mcp, req);
    total++;
}

static void check_answer(const struct chat *chat, const struct answer *answer)
{
    const json_t *error = json_object_get(answer->json, "error");
    const json_t *result = json_object_get(answer->json, "result");
    EXPECT(answer->status == chat->status, "'%s' is answered with %d, not %d", chat->method, answer->status,
           chat->status);
    EXPECT(json_integer_value(json_object_get(error, "code")) == chat->code,
           "'%s' is answered with the error %lld, not %d", chat->method,
           json_integer_value(json_object_get(error, "code")), chat->code);
    EXPECT(!result == !chat->check, "'%s' has %s result", chat->method, result ? "a" : "no");
    EXPECT(chat->status != 202 || !answer->json, "a notification is answered with something");
    if (!chat->check)
        return;
    EXPECT(json_equal(json_object_get(answer->json, "id"), json_object_get(chat->message, "id")) &&
               !strcmp(text_of(answer->json, "jsonrpc"), "2.0"),
           "'%s' is answered with another id", chat->method);
    chat->check(chat, result);
}

void client_chat(void)
{
    struct chat chat;
    book_sync();
    make_chat(&chat);
    send_chat(&chat);
    check_answer(&chat, question_end());
    json_decref(chat.message);
}
