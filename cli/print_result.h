/* Showing a result: the program's output as its own, everything else on stderr, and the exit code. */
#ifndef PE_CLI_PRINT_RESULT_H
#define PE_CLI_PRINT_RESULT_H

#include "base/error.h"
#include "cli/response.h"

#include <stdbool.h>

/* Write the program's stdout and stderr. A closed pipe is no error: its reader had enough. */
int print_result_output(const struct response *response, struct pe_error *err) PE_MUST_CHECK;

/* Say on stderr what a user has to know besides: what was cut, why it ended. `is_verbose`: how long it took,
 * too. */
void print_result_notices(const struct response *response, bool is_verbose);

#endif
