/* `--watch`: one run after another, whenever a file has changed. */
#ifndef PE_CLI_WATCH_LOOP_H
#define PE_CLI_WATCH_LOOP_H

#include "base/error.h"
#include "cli/job_client.h"

/* Run until a signal comes, or until going on makes no sense: what that was is said and its exit code
 * returned. A file that changes during a run ends that run, and the service cancels its job. */
int watch_loop_run(struct job_client *client, struct pe_error *err);

#endif
