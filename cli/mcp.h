/* SPDX-License-Identifier: Apache-2.0 */
/* `pe-run mcp`: the tools of a service for agents that start their servers as programs (the stdio
 * transport of the Model Context Protocol). */
#ifndef PE_CLI_MCP_H
#define PE_CLI_MCP_H

/* Run the command until standard input ends. argv[0] is its name. Errors are printed on stderr. Returns the
 * exit code (cli/exit.h). */
int mcp_command(int argc, char **argv);

#endif
