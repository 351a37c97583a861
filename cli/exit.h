/* Exit codes. What a program exits with is passed through, so these are numbers that programs seldom use: of
 * timeout(1), of `docker run`, of shells, and of sysexits.h(3head). pe-run(1) has the table. */
#ifndef PE_CLI_EXIT_H
#define PE_CLI_EXIT_H

#include "base/error.h"
#include "proto/result.h"

#include <stdbool.h>

enum {
    EXIT_USAGE = 64,       /* EX_USAGE: the command line, or a file that it names */
    EXIT_REFUSED = 65,     /* EX_DATAERR: the service does not take the job */
    EXIT_NO_IMAGE = 66,    /* EX_NOINPUT: no image of this name */
    EXIT_UNREACHABLE = 69, /* EX_UNAVAILABLE: no server there, or the connection broke */
    EXIT_BUSY = 75,        /* EX_TEMPFAIL: no capacity; later perhaps */
    EXIT_NOT_ALLOWED = 77, /* EX_NOPERM: the server wants other credentials */
    EXIT_CONFIG = 78,      /* EX_CONFIG: the configuration file */
    EXIT_TIMEOUT = 124,    /* as timeout(1) */
    EXIT_SERVICE = 125,    /* the job was not done, as with `docker run` */
    EXIT_SIGNAL = 128,     /* plus the signal's number, as shells say it */
    EXIT_OOM = 137,        /* 128 + SIGKILL, which is what the kernel sends */
};

/* Of a request to a service that failed; `is_own`: to one that this program started itself, so that what is
 * wrong is not the network. */
int exit_code_of_failure(const struct pe_error *err, bool is_own);

/* Of choosing a server (cli/profile.h): was it the user's words, or the configuration file? */
int exit_code_of_profile(const struct pe_error *err);

/* The exit code for a result. */
int exit_code_of_result(const struct pe_result *result);

#endif
