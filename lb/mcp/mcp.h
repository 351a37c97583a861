/* SPDX-License-Identifier: Apache-2.0 */
/* POST /mcp: the Model Context Protocol over streamable HTTP (docs/agents.md), revisions 2026-07-28, in
 * which every request stands for itself, and 2025-11-25 to 2025-03-26, which begin with `initialize`. No
 * revision needs a session here. */
#ifndef PE_LB_MCP_MCP_H
#define PE_LB_MCP_MCP_H

#include "base/options.h"
#include "lb/api/dialect.h"
#include "lb/api/exchange.h"
#include "lb/edge/h2o.h"

struct mcp {
    struct dialect dialect; /* of the tool `run` */
    struct exchanges *exchanges;
    const struct pe_option_list *cors_origins;
};

/* The pointers must outlive `mcp`, which must stay where it is and outlive all exchanges. */
void mcp_init(struct mcp *mcp, struct exchanges *exchanges, const struct pe_option_list *cors_origins);

/* Handle a request of any method. */
void mcp_handle(struct mcp *mcp, h2o_req_t *req);

#endif
