/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and making JSON-RPC messages. Their methods are not known here. */
#include "lb/mcp/message.h"

#include "codec/json_bounds.h"
#include "codec/json_reader.h"

#include <string.h>

static const json_t *valid_id(const json_t *id)
{
    return json_is_string(id) || json_is_integer(id) ? id : NULL;
}

static int check_message(struct mcp_message *message, struct pe_error *err)
{
    const char *version = json_string_value(json_object_get(message->json, "jsonrpc"));
    const json_t *id = json_object_get(message->json, "id");
    message->id = valid_id(id);
    message->method = json_string_value(json_object_get(message->json, "method"));
    message->params = json_object_get(message->json, "params");
    if (!json_is_object(message->json) || !version || strcmp(version, "2.0") != 0)
        return pe_fail(err, PE_ERR_INVALID, "the body must be one JSON-RPC 2.0 message");
    if (id && !message->id)
        return pe_fail(err, PE_ERR_INVALID, "the id of a request must be a string or an integer");
    if (!message->method)
        return pe_fail(err, PE_ERR_INVALID,
                       "the message has no method: only requests and notifications "
                       "are accepted");
    if (message->params && !json_is_object(message->params))
        return pe_fail(err, PE_ERR_INVALID, "params must be an object");
    return 0;
}

int mcp_message_read(const void *body, size_t size, struct mcp_message *message, struct pe_error *err)
{
    json_error_t where = {.text = "out of memory"};
    *message = (struct mcp_message){0};
    if (size > MCP_BODY_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "the message has %zu bytes; at most %u are allowed here, more with POST /v1/run", size,
                       MCP_BODY_MAX);
    if (pe_json_check_bounds(body, size, MCP_VALUES_MAX, err) < 0)
        return pe_fail_context(err, "the message");
    const struct pe_cursor text = pe_json_behind_mark(body, size);
    message->json = json_loadb((const char *)text.at, text.left,
                               JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &where);
    if (!message->json)
        return pe_fail(err, PE_ERR_MALFORMED, "the message is not JSON: line %d, column %d: %s", where.line,
                       where.column, where.text);
    return check_message(message, err);
}

void mcp_message_free(struct mcp_message *message)
{
    json_decref(message->json);
    *message = (struct mcp_message){0};
}

/* Only an id that the message does not have is left out. */
json_t *mcp_response(const struct mcp_message *message, json_t *result)
{
    return json_pack("{s:s, s:O*, s:o}", "jsonrpc", "2.0", "id", message->id, "result", result);
}

json_t *mcp_error_response(const struct mcp_message *message, enum mcp_code code, const char *text,
                           json_t *data)
{
    json_t *error = json_pack("{s:i, s:s, s:o*}", "code", (int)code, "message", text, "data", data);
    return json_pack("{s:s, s:O*, s:o}", "jsonrpc", "2.0", "id", message->id, "error", error);
}
