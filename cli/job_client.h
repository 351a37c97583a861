/* SPDX-License-Identifier: Apache-2.0 */
/* A job from this program's side: collect its files, send it, and show the result. With --watch the
 * same client sends one job after another. */
#ifndef PE_CLI_JOB_CLIENT_H
#define PE_CLI_JOB_CLIENT_H

#include "base/error.h"
#include "cli/case_report.h"
#include "cli/files.h"
#include "cli/job.h"
#include "cli/options.h"
#include "cli/profile.h"
#include "cli/progress.h"
#include "cli/service.h"
#include "cli/watch.h"

/* Everything that pe-run works with. job_client_free releases all of it. */
struct job_client {
    struct cli_options options;
    struct profile profile;
    struct input_files files;
    struct service service; /* started when no server was named; serves all jobs */
    bool has_service;       /* `service` is running */
    struct progress progress;
    struct watch *watch;         /* whose changes abort the current job, or NULL; the caller's */
    bool was_abandoned;          /* the last job was aborted because a watched file changed */
    bool has_shown_unread_input; /* what waits on standard input is mentioned once */
    struct cli_job job;
    struct case_report cases; /* what came of its stages and cases, if it has some */
};

/* Stop the service, if one was started, and free everything. */
void job_client_free(struct job_client *client);

/* Collect the files and make the job of them and the options. May be called again when files have
 * changed. Errors as of input_files_add and cli_job_make. */
int job_client_collect(struct job_client *client, struct pe_error *err) PE_MUST_CHECK;

/* Send the job, after starting a service if there is no server, and print its result. Errors are
 * printed on stderr. Returns the exit code (cli/exit.h). */
int job_client_run(struct job_client *client);

#endif
