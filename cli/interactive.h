/* SPDX-License-Identifier: Apache-2.0 */
/* A job whose program gets what is typed while it runs: GET /v1/connect (docs/api.md). Without a terminal,
 * the program's standard input is a pipe. With one, it has a terminal as well, and Ctrl-C is typed to it. */
#ifndef PE_CLI_INTERACTIVE_H
#define PE_CLI_INTERACTIVE_H

#include "base/error.h"
#include "cli/files.h"
#include "cli/http_server.h"
#include "cli/live_job.h"

#include <stdbool.h>

struct interactive_job {
    const char *id;   /* of the request */
    const char *json; /* text of the job */
    const struct input_files *files;
    bool has_terminal; /* standard input is a terminal, and the program gets one */
};

/* Run a job, pass standard input to it, and print its output. When this returns, `live` knows how the job
 * ended, or the connection is lost, and the terminal is as it was. PE_ERR_CANCELED after a signal, and after
 * a second Ctrl-C within a second; closing the connection cancels the job. Other errors as of http_link_open,
 * live_job_take and http_server_attend; PE_ERR_LOST if the connection ended before the job. */
int interactive_run(const struct http_server *server, const struct interactive_job *job,
                    struct live_job *live, struct pe_error *err) PE_MUST_CHECK;

#endif
