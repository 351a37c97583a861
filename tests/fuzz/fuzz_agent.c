/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of agents (the Model Context Protocol). The input is the headers, an empty line and the body. A
 * message that is accepted has what JSON-RPC wants, and gets an answer that is JSON. A job of the tool
 * `run` keeps the rules of every job, and a result of any bytes is JSON as well. */
#include "base/cleanup.h"
#include "lb/mcp/catalog_tools.h"
#include "lb/mcp/message.h"
#include "lb/mcp/run_tool.h"
#include "lb/mcp/versions.h"
#include "proto/image_reference.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "tests/fuzz/fake_request.h"

static struct scheduler scheduler;

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void begin(void)
{
    static const struct queue_limits limits = {.jobs = 1, .bytes = 1000};
    static bool ready;
    struct pe_hello hello = {.slots = 1, .host = "h", .isolation = PE_ISOLATION_KERNEL};
    struct pe_error err;
    if (ready)
        return;
    ready = true;
    scheduler_init(&scheduler, &limits);
    pe_autojson json_t *images = hello.images =
        json_pack("[{s:s, s:s, s:[s]}]", "name", "gcc:14", "digest", DIGEST, "categories", "c");
    HOLDS(images && scheduler_worker_hello(&scheduler, &ready, &hello, &err) == 0);
}

/* The value can be sent. */
static void check_json(json_t *json)
{
    pe_autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    HOLDS(text);
    json_decref(json);
}

static void check_version(const h2o_req_t *req, const struct mcp_message *message)
{
    struct mcp_fault fault = mcp_check_request(req, message);
    HOLDS((fault.code == 0) == !fault.text[0]);
    check_json(mcp_error_response(message, fault.code, fault.text, fault.data));
}

static void check_job(const json_t *arguments)
{
    struct submission submission = {0};
    pe_autojobspec struct pe_job_spec again = {0};
    struct pe_error err = {0};
    uint64_t total = 0;
    if (run_tool_read(arguments, &submission, &err) == 0) {
        HOLDS(submission_check(&submission, &err) == 0);
        HOLDS(pe_image_reference_valid(submission.spec.image));
        HOLDS(submission.spec.timeout_ms >= 1 && submission.spec.timeout_ms <= PE_TIMEOUT_MS_MAX);
        pe_autojson json_t *json = pe_job_spec_to_json(&submission.spec);
        HOLDS(json && pe_job_spec_from_json(json, &again, &err) == 0);
        for (size_t i = 0; i < submission.files.count; i++)
            total += submission.files.items[i].size;
        HOLDS(total == submission.total && total <= PE_INPUT_BYTES_MAX);
    } else {
        const struct pe_problem problem = pe_problem_from_error(&err);
        check_json(run_tool_problem(&problem));
    }
    submission_free(&submission);
}

/* A result whose streams and file have these bytes. */
static void check_result(const uint8_t *bytes, size_t size)
{
    static size_t account;
    pe_autobuf struct pe_buf text = {0};
    const struct pe_result fields = {.status = PE_STATUS_EXITED};
    struct pe_parts parts = {0};
    struct pe_path path = {0};
    struct pe_error err;
    HOLDS(pe_path_parse("a.png", 5, 0, &path, &err) == 0);
    HOLDS(pe_parts_add(&parts, PE_PART_STDOUT, NULL, size / 2, 0, &err) == 0);
    HOLDS(pe_parts_add(&parts, PE_PART_STDERR, NULL, size / 3, 0, &err) == 0);
    HOLDS(pe_parts_add(&parts, PE_PART_FILE, &path, size - size / 2 - size / 3, 0644, &err) == 0);
    struct job_result *result = job_result_new(&account, &fields, &parts, &err);
    HOLDS(result && job_result_append(result, bytes, size, &err) == 0 &&
          job_result_finish(result, &err) == 0);
    HOLDS(run_tool_append_result(result, &text, &err) == 0);
    pe_autojson json_t *json = json_loadb((const char *)text.data, text.size, JSON_ALLOW_NUL, NULL);
    HOLDS(json_array_size(json_object_get(json, "content")) >= 1);
    job_result_unref(result);
    HOLDS(account == 0);
}

static void check_message(const h2o_req_t *req, const struct mcp_message *message)
{
    const json_t *arguments = json_object_get(message->params, "arguments");
    HOLDS(message->method);
    HOLDS(!message->id || json_is_string(message->id) || json_is_integer(message->id));
    HOLDS(!message->params || json_is_object(message->params));
    check_version(req, message);
    check_json(mcp_response(message, json_object()));
    check_job(arguments);
    if (arguments && !json_is_object(arguments))
        return; /* refused before */
    check_json(mcp_list_images(&scheduler, arguments));
    check_json(mcp_describe_image(&scheduler, arguments));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = size ? memmem(bytes, size, "\n\n", 2) : NULL;
    size_t head = end ? (size_t)(end - bytes) + 2 : 0;
    struct mcp_message message;
    struct fake_request fake;
    struct pe_error err = {0};
    begin();
    fake_begin(&fake);
    fake_add_headers(&fake, (struct pe_cursor){.at = bytes, .left = head});
    if (mcp_message_read(bytes + head, size - head, &message, &err) == 0)
        check_message(&fake.req, &message);
    else
        HOLDS(err.kind && err.message[0]);
    mcp_message_free(&message);
    check_result(bytes + head, size - head);
    fake_end(&fake);
    return 0;
}
