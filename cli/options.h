/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of pe-run, and the job that it describes. */
#ifndef PE_CLI_OPTIONS_H
#define PE_CLI_OPTIONS_H

#include "base/error.h"
#include "base/options.h"
#include "cli/profile.h"

#include <stdbool.h>
#include <stddef.h>

struct cli_options {
    struct profile_choice choice;                         /* of the server */
    const char *job;                                      /* file of a job, or NULL; then there is no image */
    const char *cases;                                    /* directory of cases, or NULL (cli/case_job.h) */
    const char *compile, *compare, *checker, *on_failure; /* only with `cases` */
    const char *standard_input, *timeout, *output, *isolation, *hosts, *on_output_limit, *cache_salt;
    struct pe_option_list env, limits;
    bool json, verbose, no_cache, quiet, watch, combined;
    bool interactive, tty; /* `tty` implies `interactive` */

    const char *image;  /* NULL: a job file names it */
    char *const *files; /* paths of files and directories, in argv */
    size_t file_count;
    char *const *command; /* in argv */
    size_t command_count; /* 0: run the image's default command */
};

/* The index in argv of the argument `name` if it is the first argument that is not an option: it selects
 * the command of this name, as of cli/images.h. 0 if it is not. */
int cli_options_find_command(int argc, char **argv, const char *name);

/* Parse the command line. `options` keeps pointers into argv. PE_ERR_INVALID says what is wrong. */
int cli_options_parse(int argc, char **argv, struct cli_options *options, struct pe_error *err) PE_MUST_CHECK;
/* Free what cli_options_parse allocated. */
void cli_options_free(struct cli_options *options);

#endif
