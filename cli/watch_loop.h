/* SPDX-License-Identifier: Apache-2.0 */
/* `--watch`: run the job again whenever a file changes. */
#ifndef PE_CLI_WATCH_LOOP_H
#define PE_CLI_WATCH_LOOP_H

#include "base/error.h"
#include "cli/job_client.h"

/* Run the job of `client` again and again, until a signal or an error ends the loop. A file that
 * changes while a job runs aborts that job, and the service cancels it. The error is printed on
 * stderr and its exit code is returned; after a signal EXIT_SIGNAL is returned. */
int watch_loop_run(struct job_client *client, struct pe_error *err);

#endif
