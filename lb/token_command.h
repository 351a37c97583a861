/* SPDX-License-Identifier: Apache-2.0 */
/* `pe-lb token new|list|revoke`: how an operator lets hosts in. */
#ifndef PE_LB_TOKEN_COMMAND_H
#define PE_LB_TOKEN_COMMAND_H

#include "base/error.h"

/* Run the command in argv, whose first element is "token". Returns the exit status. PE_ERR_INVALID for a
 * wrong command line, and the errors of lb/edge/host_tokens.h. */
int token_command(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;

#endif
