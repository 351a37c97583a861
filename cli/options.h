/* The command line of pe-run, and the job it stands for. */
#ifndef PE_CLI_OPTIONS_H
#define PE_CLI_OPTIONS_H

#include "base/error.h"
#include "base/options.h"
#include "cli/files.h"

#include <stdbool.h>
#include <stddef.h>

struct cli_options {
    const char *server, *profile; /* as the user named them: cli/profile.h */
    const char *standard_input, *timeout, *output;
    struct pe_option_list env;
    bool json, verbose, no_cache, quiet, watch;

    const char *image;
    char *const *files; /* what the user named, in argv */
    size_t file_count;
    char *const *command; /* in argv */
    size_t command_count; /* 0: the image's default command */
};

/* Where in argv the word `images` stands that asks for the list of images (cli/images.h): before any other
 * word that is not an option. 0: nowhere. */
int cli_options_find_images(int argc, char **argv);

/* Parse the command line; PE_ERR_INVALID says what is wrong with it. */
int cli_options_parse(int argc, char **argv, struct cli_options *options, struct pe_error *err) PE_MUST_CHECK;
void cli_options_free(struct cli_options *options);

/* The job as JSON text, checked as the service checks it; `*job` and `*image`, its full name, are the
 * caller's. */
int cli_options_to_job(const struct cli_options *options, const struct input_files *files, char **job,
                       char **image, struct pe_error *err) PE_MUST_CHECK;

#endif
