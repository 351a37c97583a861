/* Writing a job's output files to the user's disk. */
#ifndef PE_CLI_OUTPUTS_H
#define PE_CLI_OUTPUTS_H

#include "base/error.h"
#include "cli/response.h"

/* Write every file below `directory`, which is made when missing. Whatever the names say and whatever
 * symbolic links are already there, nothing outside of it is touched: such a file is an error. A file that
 * exists is replaced. */
int outputs_write(const char *directory, const struct response *response, struct pe_error *err) PE_MUST_CHECK;

#endif
