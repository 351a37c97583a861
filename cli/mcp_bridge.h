/* SPDX-License-Identifier: Apache-2.0 */
/* Passing messages between standard input, POST /mcp of a server, and standard output. */
#ifndef PE_CLI_MCP_BRIDGE_H
#define PE_CLI_MCP_BRIDGE_H

#include "base/error.h"
#include "cli/http_server.h"

/* Pass messages on until standard input has ended and everything is answered. Requests run at the same time,
 * and their answers come in the order in which they are ready. A request that cannot be passed on is
 * answered with an error. Fails with PE_ERR_CANCELED after a signal, with the error of server->check, and
 * with PE_ERR_INTERNAL if standard output cannot be written. */
int mcp_bridge_run(const struct http_server *server, struct pe_error *err) PE_MUST_CHECK;

#endif
