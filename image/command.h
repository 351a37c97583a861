/* The commands of pe-image. Each parses its own options (base/options.h), does its work and returns negative
 * with an error. */
#ifndef PE_IMAGE_COMMAND_H
#define PE_IMAGE_COMMAND_H

#include "base/error.h"
#include "proto/image.h"

#include <limits.h>
#include <stdbool.h>

#define STORE_OPTION(value)                                                                                \
    {                                                                                                      \
        "store", 0, "DIR", "the image store (default: images in the installation's home)", PE_OPTION_TEXT, \
            value                                                                                          \
    }

/* Set `*store` to the home's store, with `path` as its memory, unless it is set. */
int command_default_store(const char **store, char path[PATH_MAX], struct pe_error *err) PE_MUST_CHECK;

/* Print JSON on standard output and drop the reference. NULL is without memory. */
int command_print_json(json_t *json, struct pe_error *err) PE_MUST_CHECK;

/* What comes in (command_take.c). */
int command_import(int argc, char **argv, struct pe_error *err);
int command_pull(int argc, char **argv, struct pe_error *err);
/* Does not return when the script could be started (command_build.c). */
int command_build(int argc, char **argv, struct pe_error *err);
/* What is there (command_store.c). */
int command_ls(int argc, char **argv, struct pe_error *err);
int command_inspect(int argc, char **argv, struct pe_error *err);
int command_tag(int argc, char **argv, struct pe_error *err);
int command_rm(int argc, char **argv, struct pe_error *err);
int command_verify(int argc, char **argv, struct pe_error *err);
int command_gc(int argc, char **argv, struct pe_error *err);
/* What goes out, comes together and comes over (command_move.c). */
int command_export(int argc, char **argv, struct pe_error *err);
int command_combine(int argc, char **argv, struct pe_error *err);
int command_fetch(int argc, char **argv, struct pe_error *err);

#endif
