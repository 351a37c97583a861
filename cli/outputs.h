/* Saving a job's output files. */
#ifndef PE_CLI_OUTPUTS_H
#define PE_CLI_OUTPUTS_H

#include "base/error.h"
#include "cli/response.h"

/* Write the output files of `response` below `directory`, which is created if necessary. Existing
 * files are replaced. Nothing outside of `directory` is written, whatever the names are and
 * whatever symbolic links exist there: a file whose path leads outside is an error. */
int outputs_write(const char *directory, const struct response *response, struct pe_error *err) PE_MUST_CHECK;

#endif
