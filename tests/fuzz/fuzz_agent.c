/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of agents (POST /mcp): the JSON-RPC message and, if it calls the tool `run`, its arguments. */
#include "lb/mcp/message.h"
#include "lb/mcp/run_tool.h"
#include "proto/image_reference.h"
#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"

static void check_job(const struct submission *submission)
{
    uint64_t total = 0;
    HOLDS(submission->spec.image && pe_image_reference_valid(submission->spec.image));
    HOLDS(submission->spec.timeout_ms >= 1 && submission->spec.timeout_ms <= PE_TIMEOUT_MS_MAX);
    for (size_t i = 0; i < submission->files.count; i++)
        total += submission->files.items[i].size;
    HOLDS(total == submission->total && total <= PE_INPUT_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct mcp_message message;
    struct submission submission = {0};
    struct pe_error err;
    if (mcp_message_read(bytes, size, &message, &err) == 0) {
        HOLDS(message.method && (!message.params || json_is_object(message.params)));
        if (run_tool_read(json_object_get(message.params, "arguments"), &submission, &err) == 0)
            check_job(&submission);
        json_t *response = mcp_response(&message, json_object());
        HOLDS(response && json_object_get(response, "result"));
        json_decref(response);
    }
    submission_free(&submission);
    mcp_message_free(&message);
    return 0;
}
