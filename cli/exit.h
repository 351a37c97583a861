/* SPDX-License-Identifier: Apache-2.0 */
/* Exit codes of pe-run. The program's own exit code is passed through, so pe-run uses numbers that
 * programs rarely use themselves: those of sysexits.h(3head), timeout(1), `docker run` and shells.
 * pe-run(1) lists them. */
#ifndef PE_CLI_EXIT_H
#define PE_CLI_EXIT_H

#include "base/error.h"
#include "cli/response.h"
#include "proto/result.h"

#include <stdbool.h>

enum {
    EXIT_NOT_RIGHT = 1,      /* a case is not right, as with diff(1) */
    EXIT_STAGE = 2,          /* a stage failed, so there are no answers */
    EXIT_USAGE = 64,         /* EX_USAGE: wrong command line, or a file that it names */
    EXIT_REFUSED = 65,       /* EX_DATAERR: the service refused the job */
    EXIT_NO_IMAGE = 66,      /* EX_NOINPUT: there is no image of this name */
    EXIT_UNREACHABLE = 69,   /* EX_UNAVAILABLE: no server, or a broken connection */
    EXIT_BUSY = 75,          /* EX_TEMPFAIL: no capacity now; try again later */
    EXIT_NOT_ALLOWED = 77,   /* EX_NOPERM: the server refused the credentials */
    EXIT_CONFIG = 78,        /* EX_CONFIG: wrong configuration file */
    EXIT_TIMEOUT = 124,      /* as timeout(1) */
    EXIT_SERVICE = 125,      /* any other failure of the job, as with `docker run` */
    EXIT_SIGNAL = 128,       /* plus the signal's number, as in shells */
    EXIT_OOM = 137,          /* 128 + SIGKILL, the signal that the kernel sends */
    EXIT_STREAM_LIMIT = 153, /* 128 + SIGXFSZ, the signal for a file that became too large */
};

/* The exit code for a failed request. `is_own`: the request went to a service that this program had
 * started, so a lost connection is a failure of the service and not of the network. */
int exit_code_of_failure(const struct pe_error *err, bool is_own);

/* The exit code for a failure of profile_choose: EXIT_USAGE for a wrong command line, EXIT_CONFIG
 * for a wrong configuration file. */
int exit_code_of_profile(const struct pe_error *err);

/* The exit code for a job that has ended. If it had stages: what their summary says. Otherwise the program's
 * own. One of the above when it did not end by itself. */
int exit_code_of_response(const struct response *response);

#endif
