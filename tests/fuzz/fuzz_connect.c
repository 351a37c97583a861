/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of clients on GET /v1/connect. What is accepted is JSON, and its values are within their
 * bounds. */
#include "lb/api/connect_message.h"
#include "proto/job_spec.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct connect_message *message, const uint8_t *bytes, size_t size)
{
    pe_autojson json_t *json = json_loadb((const char *)bytes, size, JSON_ALLOW_NUL, NULL);
    HOLDS(json_is_object(json));
    HOLDS(message->input.open);
    if (message->kind == CONNECT_RUN)
        HOLDS(message->job.left && message->job.at >= bytes &&
              message->job.at + message->job.left <= bytes + size);
    if (message->kind == CONNECT_RUN && message->input.tty)
        HOLDS(message->input.window.rows && message->input.window.cols <= PE_WINDOW_SIDE_MAX);
    if (message->kind == CONNECT_STDIN)
        HOLDS(message->bytes);
    if (message->kind == CONNECT_RESIZE)
        HOLDS(message->window.rows && message->window.cols && message->window.rows <= PE_WINDOW_SIDE_MAX);
    if (message->kind == CONNECT_SIGNAL)
        HOLDS(pe_live_signal_is_allowed(message->signal));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_error err;
    connect_automessage struct connect_message message;
    if (connect_message_read(bytes, size, &message, &err) == 0)
        check(&message, bytes, size);
    else
        HOLDS(err.message[0]);
    return 0;
}
