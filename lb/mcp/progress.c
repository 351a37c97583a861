/* SPDX-License-Identifier: Apache-2.0 */
/* One event as one notification. Its message is for people: output as it is, and otherwise a sentence. */
#include "lb/mcp/progress.h"

#include "base/cleanup.h"
#include "codec/json_writer.h"

#include <stdio.h>
#include <string.h>

const json_t *mcp_progress_token(const struct mcp_message *message)
{
    const json_t *token = json_object_get(json_object_get(message->params, "_meta"), "progressToken");
    return json_is_string(token) || json_is_integer(token) ? token : NULL;
}

static void append_message(struct pe_json_writer *writer, const struct event *event)
{
    char text[256];
    switch (event->kind) {
    case EVENT_OUTPUT:
        pe_json_append_bytes(writer, "message", event->bytes.at, event->bytes.left);
        break;
    case EVENT_QUEUED:
        pe_json_append_text(writer, "message", "The job waits for a free VM.");
        break;
    case EVENT_STARTED:
        pe_json_append_text(writer, "message", "The program runs.");
        break;
    case EVENT_RESTARTED:
        snprintf(text, sizeof text, "The VM was lost, and the output so far does not count: %s",
                 event->reason);
        pe_json_append_text(writer, "message", text);
        break;
    default:
        break;
    }
}

int mcp_progress_append(const json_t *token, const struct event *event, uint64_t *progress,
                        struct pe_buf *out, struct pe_error *err)
{
    pe_autofree char *text = json_dumps(token, JSON_ENCODE_ANY | JSON_COMPACT);
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for a notification");
    *progress += event->kind == EVENT_OUTPUT ? event->bytes.left : 1;
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "jsonrpc", "2.0");
    pe_json_append_text(&writer, "method", "notifications/progress");
    pe_json_open(&writer, "params", '{');
    pe_json_append_raw(&writer, "progressToken", text, strlen(text));
    pe_json_append_number(&writer, "progress", *progress);
    append_message(&writer, event);
    pe_json_close(&writer, '}');
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}
