/* SPDX-License-Identifier: Apache-2.0 */
/* The definitions of all tools, and the tools that answer from the catalog of images. */
#ifndef PE_LB_MCP_CATALOG_TOOLS_H
#define PE_LB_MCP_CATALOG_TOOLS_H

#include "lb/core/scheduler.h"

#include <jansson.h>

/* These functions return new JSON values, whose reference is the caller's; NULL without memory. */

/* The array of definitions: lb/mcp/tools.json. */
json_t *mcp_tool_definitions(void);

/* The results (CallToolResult) of list_images and describe_image. A fault of the arguments becomes a result
 * with isError that says what to do. */
json_t *mcp_list_images(const struct scheduler *scheduler, const json_t *arguments);
json_t *mcp_describe_image(const struct scheduler *scheduler, const json_t *arguments);

#endif
