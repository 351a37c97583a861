/* SPDX-License-Identifier: Apache-2.0 */
/* Saving a job's output files. */
#ifndef PE_CLI_OUTPUTS_H
#define PE_CLI_OUTPUTS_H

#include "base/error.h"
#include "cli/response.h"

/* Write the output files and folders of `response` below `directory`, which is created if necessary.
 * Existing files are replaced; existing folders keep what is in them. Files keep their bit for execution,
 * and files and folders their time of change. Nothing outside of `directory` is ever written. A file whose
 * name or whose symbolic links lead outside of it, and one that cannot be written, are PE_ERR_INTERNAL, with
 * the name; what was written before stays. */
int outputs_write(const char *directory, const struct response *response, struct pe_error *err) PE_MUST_CHECK;

#endif
