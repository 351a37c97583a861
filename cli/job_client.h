/* One run: the files as they are now, a request, and what came of it. */
#ifndef PE_CLI_JOB_CLIENT_H
#define PE_CLI_JOB_CLIENT_H

#include "base/error.h"
#include "cli/files.h"
#include "cli/options.h"
#include "cli/profile.h"
#include "cli/progress.h"
#include "cli/service.h"
#include "cli/watch.h"

/* Everything that a run has, so that it ends in one place. */
struct job_client {
    struct cli_options options;
    struct profile profile;
    struct input_files files;
    struct service service; /* when no server was named; it outlives a run */
    bool has_service;
    struct progress progress;
    struct watch *watch; /* whose changes end the client, or NULL */
    bool was_abandoned;  /* the last run was ended by one */
    char *job, *image;
};

void job_client_free(struct job_client *client);

/* Look up the files, and make the job of them: also anew. */
int job_client_collect(struct job_client *client, struct pe_error *err) PE_MUST_CHECK;

/* Send it and show the result; the exit code. What went wrong is said, too. */
int job_client_run(struct job_client *client);

#endif
