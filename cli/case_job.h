/* SPDX-License-Identifier: Apache-2.0 */
/* The stages and cases of a command line: --cases and the options that need it. */
#ifndef PE_CLI_CASE_JOB_H
#define PE_CLI_CASE_JOB_H

#include "base/error.h"
#include "cli/files.h"
#include "cli/options.h"

#include <jansson.h>

/* Make the job one that runs its command on each case in the directory `options->cases`. The files of the
 * cases are added to `files`. The fields of `job` that concern its program, such as `cmd`, become those of
 * its last stage. Errors as of case_folder_read and input_files_add. */
int case_job_add_stages(const struct cli_options *options, struct input_files *files, json_t *job,
                        struct pe_error *err) PE_MUST_CHECK;

#endif
