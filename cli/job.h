/* SPDX-License-Identifier: Apache-2.0 */
/* The job of a command line: a JSON text for POST /v1/run. */
#ifndef PE_CLI_JOB_H
#define PE_CLI_JOB_H

#include "base/error.h"
#include "cli/files.h"
#include "cli/options.h"
#include "proto/isolation.h"

#include <stdbool.h>

struct cli_job {
    char *text;      /* JSON; owned */
    char *image;     /* its full name; owned */
    bool has_stages; /* its result has a verdict for each stage and case (docs/cases.md) */
    char isolation[PE_ISOLATION_TEXT_MAX]; /* what it demands, for --isolation of a worker; "": anything */
};

/* Make the job of the options, and of the file that --job names. Files that this job has or names are added
 * to `files`. What does not concern stages and cases is checked by the same code that the service uses.
 * The caller frees `job`, also after a failure. PE_ERR_INVALID names the wrong option or field, or a field
 * that the job file and an option both set. */
int cli_job_make(const struct cli_options *options, struct input_files *files, struct cli_job *job,
                 struct pe_error *err) PE_MUST_CHECK;

/* Free what `job` owns. The struct is zero then. */
void cli_job_free(struct cli_job *job);

#endif
