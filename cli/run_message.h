/* SPDX-License-Identifier: Apache-2.0 */
/* The first message of an interactive job (docs/api.md, GET /v1/connect): the job with its files. */
#ifndef PE_CLI_RUN_MESSAGE_H
#define PE_CLI_RUN_MESSAGE_H

#include "base/buffer.h"
#include "base/error.h"
#include "cli/files.h"
#include "proto/slot_live.h"

/* Append the message. `job` is the JSON text of the job. `window` is that of the terminal for the program;
 * NULL: it gets none. PE_ERR_INVALID for a file whose name JSON cannot hold, or that cannot be read. */
int run_message_write(const char *job, const struct input_files *files, const struct pe_window *window,
                      struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

#endif
