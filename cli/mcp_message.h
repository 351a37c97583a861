/* SPDX-License-Identifier: Apache-2.0 */
/* One message of an agent, as far as it has to be understood to pass it on: a line of JSON becomes a POST
 * with the headers that repeat parts of it. The service checks the rest. */
#ifndef PE_CLI_MCP_MESSAGE_H
#define PE_CLI_MCP_MESSAGE_H

#include "base/error.h"
#include "cli/transfer.h"

#include <jansson.h>

struct mcp_line {
    json_t *json;           /* owns what the others point to */
    const json_t *id;       /* NULL: a notification */
    const json_t *canceled; /* the id of the request that this notification cancels; NULL: none */
};

/* Read a line without its line end. PE_ERR_MALFORMED if it is not JSON, PE_ERR_INVALID if it is not an
 * object. The caller frees `line`, which is zeroed first, also after a failure. */
int mcp_line_read(const void *bytes, size_t size, struct mcp_line *line, struct pe_error *err) PE_MUST_CHECK;

/* Free what the line owns, and zero it. */
void mcp_line_free(struct mcp_line *line);

/* Add the headers of the HTTP transport to a request with this message. PE_ERR_INTERNAL without memory. */
int mcp_line_add_headers(const struct mcp_line *line, struct transfer *transfer,
                         struct pe_error *err) PE_MUST_CHECK;

/* Why a message is not passed on: JSON-RPC 2.0 section 5.1. */
enum mcp_failure { MCP_NO_JSON = -32700, MCP_NO_MESSAGE = -32600, MCP_INTERNAL = -32603 };

/* Append the answer that a message was not passed on, as a line. `id` may be NULL, and is copied. Fails as
 * pe_buf_append does. */
int mcp_append_failure(const json_t *id, enum mcp_failure code, const char *why, struct pe_buf *out,
                       struct pe_error *err) PE_MUST_CHECK;

#endif
