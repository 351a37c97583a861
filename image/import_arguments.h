/* SPDX-License-Identifier: Apache-2.0 */
/* The command line that `pe-image import` and `pe-image pull` have in common: its options, and what
 * they mean for the catalog entry and for the import itself. */
#ifndef PE_IMAGE_IMPORT_ARGUMENTS_H
#define PE_IMAGE_IMPORT_ARGUMENTS_H

#include "base/error.h"
#include "base/options.h"
#include "image/command.h"
#include "image/import.h"
#include "image/progress.h"
#include "proto/image.h"

#include <stdbool.h>
#include <stdint.h>

/* Options for the fields of a catalog entry, for a subcommand's table. */
#define IMPORT_FIELD_OPTIONS(arguments)                                                                      \
    {"description", 0, "TEXT", "one sentence for the catalog", PE_OPTION_TEXT, &(arguments).description},    \
        {"cmd",          0,                                                                                  \
         "JSON",         "default command, an array; {files:GLOB} stands for the job's files",               \
         PE_OPTION_TEXT, &(arguments).command},                                                              \
        {"env",          'e',                                                                                \
         "KEY=VALUE",    "variable in the environment of every job; repeatable",                             \
         PE_OPTION_LIST, &(arguments).env},                                                                  \
    {                                                                                                        \
        "workdir", 0, "DIR", "directory in which the default command runs (default: /work)", PE_OPTION_TEXT, \
            &(arguments).working_dir                                                                         \
    }

struct import_arguments {
    /* As given on the command line; NULL, false or 0 when not given. */
    const char *name, *architecture, *metadata, *description, *command, *working_dir, *reference, *compressor;
    struct pe_option_list env;
    struct command_store store;
    bool json, devices, plain_http;
    uint64_t max_mib;

    /* Set by import_arguments_resolve. */
    struct import_options import;
    struct progress progress;
};

/* Parse the common options and those of `program->options`, which are listed after them. `*rest` is
 * the index of the first argument that is not an option. `arguments` is zeroed first and must not
 * be moved afterwards; the caller frees it, also after a failure. Errors of command_parse. */
int import_arguments_parse(struct import_arguments *arguments, const struct pe_program *program, int argc,
                           char **argv, int *rest, struct pe_error *err) PE_MUST_CHECK;

/* Add the fields of the catalog entry that the options set, and the name, to `fields`, and check them.
 * PE_ERR_INVALID names the wrong part; for --metadata also the errors of catalog_entry_add_user_file. */
int import_arguments_fields(const struct import_arguments *arguments, const char *name, json_t *fields,
                            struct pe_error *err) PE_MUST_CHECK;

/* Set `arguments->import` for an image that gets the catalog name `name` (":latest" is appended
 * when it has no tag). The parts of the catalog entry that come from the command line are checked
 * here, before an image is downloaded in vain. Errors of import_arguments_fields and platform_parse. */
int import_arguments_resolve(struct import_arguments *arguments, const char *name,
                             struct pe_error *err) PE_MUST_CHECK;

/* Print the new catalog entry when --json was given. Fails as command_print_json does. */
int import_arguments_print(const struct import_arguments *arguments, const struct pe_image *image,
                           struct pe_error *err) PE_MUST_CHECK;

/* Remove the progress bar, if one is shown, and free what the arguments own. */
void import_arguments_free(struct import_arguments *arguments);
#define pe_autoimportarguments __attribute__((cleanup(import_arguments_free)))

#endif
