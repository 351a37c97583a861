/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands of pe-image. Each has a file of its own, command_NAME.c, with its table of
 * options and one entry function. Entry functions get argv[0] as the subcommand's name. They return
 * 0, or a negative number with the error set. A wrong command line is PE_ERR_INVALID, which main
 * turns into exit code 2. */
#ifndef PE_IMAGE_COMMAND_H
#define PE_IMAGE_COMMAND_H

#include "base/error.h"
#include "base/options.h"
#include "proto/image.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* The image store that a subcommand works on. */
struct command_store {
    const char *path;            /* the argument of --store; command_parse sets it when there was none */
    char default_path[PATH_MAX]; /* what `path` points to in that case */
};

/* Entries for a subcommand's table of options. */
#define COMMAND_STORE_OPTION(store)                                                                         \
    {                                                                                                       \
        "store", 0, "DIR", "the image store (default: images/ in the installation's home)", PE_OPTION_TEXT, \
            &(store).path                                                                                   \
    }
#define COMMAND_JSON_OPTION(json)                                                              \
    {                                                                                          \
        "json", 0, NULL, "print the result as JSON, and nothing else", PE_OPTION_FLAG, &(json) \
    }

#define COMMAND_COMPRESS_OPTION(compressor)                                                          \
    {                                                                                                \
        "compress", 0, "KIND", "lz4, which is unpacked sooner (default), or zstd, which is smaller", \
            PE_OPTION_TEXT, &(compressor)                                                            \
    }

#define COMMAND_MAX_MIB_OPTION(mib, help)                   \
    {                                                       \
        "max-mib", 0, "MIB", help, PE_OPTION_NUMBER, &(mib) \
    }
/* The limit for the unpacked bytes of one image that --max-mib gives. Without the option (0) it is
 * 32 GiB, about four times the size of large images. */
uint64_t command_bytes_max(uint64_t mib);

/* Parse a subcommand's options (pe_options_parse) and set `store->path` to the default store when
 * --store was not given. `*rest` is the index of the first argument that is not an option. `store`
 * must not be moved afterwards. PE_ERR_INVALID for a wrong command line; for the default store also the
 * errors of pe_home_path. */
int command_parse(const struct pe_program *program, int argc, char **argv, struct command_store *store,
                  int *rest, struct pe_error *err) PE_MUST_CHECK;

/* Print `json` on standard output, indented, and drop the caller's reference to it. NULL stands for
 * a value that could not be made because memory ran out. That and a failed write are PE_ERR_INTERNAL. */
int command_print_json(json_t *json, struct pe_error *err) PE_MUST_CHECK;

/* The entry functions. command_build replaces this process by the build script and returns only
 * when that fails. */
int command_pull(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_import(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_build(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_ls(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_inspect(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_update(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_tag(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_rm(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_verify(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_export(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_combine(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_sync(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_gc(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;

#endif
