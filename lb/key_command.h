/* SPDX-License-Identifier: Apache-2.0 */
/* `pe-lb key`: making, listing and revoking API keys of clients. */
#ifndef PE_LB_KEY_COMMAND_H
#define PE_LB_KEY_COMMAND_H

#include "base/error.h"

/* Run `pe-lb key` with the arguments from "key" on. Returns the exit status. PE_ERR_INVALID for a wrong
 * command line, and the errors of lb/core/api_keys.h. */
int key_command(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;

#endif
