/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-RPC 2.0 messages, as the Model Context Protocol restricts them: one request or notification in a
 * body, no batches, ids that are strings or integers. */
#ifndef PE_LB_MCP_MESSAGE_H
#define PE_LB_MCP_MESSAGE_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

#define MCP_BODY_MAX (8u * 1024u * 1024u) /* bytes of a message, files in it included */
#define MCP_VALUES_MAX 50000u             /* values in it */

/* Error codes of JSON-RPC 2.0 section 5.1, and those of the protocol's revision 2026-07-28. */
enum mcp_code {
    MCP_PARSE_ERROR = -32700,
    MCP_INVALID_REQUEST = -32600,
    MCP_METHOD_NOT_FOUND = -32601,
    MCP_INVALID_PARAMS = -32602,
    MCP_INTERNAL_ERROR = -32603,
    MCP_HEADER_MISMATCH = -32020,
    MCP_UNSUPPORTED_VERSION = -32022,
};

struct mcp_message {
    json_t *json;         /* owns what the others point to */
    const json_t *id;     /* NULL: a notification, or it is not known */
    const char *method;   /* NULL if it is not known */
    const json_t *params; /* an object, or NULL */
};

/* Read a body. The caller frees `message`, which is zeroed first, also after a failure; it has the id, if
 * there is one. PE_ERR_MALFORMED: it is not JSON; PE_ERR_INVALID: it is not a request or notification;
 * PE_ERR_TOO_LARGE: it has too many bytes or values. */
int mcp_message_read(const void *body, size_t size, struct mcp_message *message,
                     struct pe_error *err) PE_MUST_CHECK;

/* Free what the message owns, and zero it. */
void mcp_message_free(struct mcp_message *message);
#define mcp_automessage __attribute__((cleanup(mcp_message_free)))

/* A response as a new JSON object, whose reference is the caller's; NULL without memory. A reference to
 * `result` or `data` is taken over; `data` may be NULL. Without an id, the response has none. */
json_t *mcp_response(const struct mcp_message *message, json_t *result);
json_t *mcp_error_response(const struct mcp_message *message, enum mcp_code code, const char *text,
                           json_t *data);

#endif
