/* SPDX-License-Identifier: Apache-2.0 */
/* Printing a result: the program's output as pe-run's own output, and notices on stderr. */
#ifndef PE_CLI_PRINT_RESULT_H
#define PE_CLI_PRINT_RESULT_H

#include "base/error.h"
#include "cli/response.h"

#include <stdbool.h>

/* Write the program's stdout and stderr to those of this process, or both to its stdout in the order of
 * their writes (`is_combined`). A closed pipe is not an error; PE_ERR_INTERNAL if a stream cannot be written
 * otherwise. */
int print_result_output(const struct response *response, bool is_combined,
                        struct pe_error *err) PE_MUST_CHECK;

/* Print notices on stderr: truncated output, and the reason when the program did not exit by
 * itself. `is_verbose` adds the timing. */
void print_result_notices(const struct response *response, bool is_verbose);

#endif
