/* SPDX-License-Identifier: Apache-2.0 */
/* Which revision of the protocol a request follows, and the rules that each one has for it. */
#ifndef PE_LB_MCP_VERSIONS_H
#define PE_LB_MCP_VERSIONS_H

#include "lb/edge/h2o.h"
#include "lb/mcp/message.h"

#include <stdbool.h>

/* What is wrong with a request; `text` is empty if nothing is. */
struct mcp_fault {
    enum mcp_code code;
    char text[256];
    json_t *data; /* a new reference, or NULL */
};

/* Whether a request follows a revision without `initialize`: it says so in its header or in its _meta. */
bool mcp_is_modern(const h2o_req_t *req, const struct mcp_message *message);

/* Check a request's version and headers against its revision. */
struct mcp_fault mcp_check_request(const h2o_req_t *req, const struct mcp_message *message);

/* The version to answer an `initialize` that asks for `wanted`, which may be NULL. */
const char *mcp_legacy_version(const char *wanted);

/* All versions, as a new JSON array, the newest first; NULL without memory. */
json_t *mcp_versions(void);

#endif
