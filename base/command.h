/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that are several commands, as in `pe-image pull` or `pe-lb key new`: finding the command, and the
 * list of them in --help, which completions read. Each command has its own options (base/options.h). */
#ifndef PE_BASE_COMMAND_H
#define PE_BASE_COMMAND_H

#include "base/error.h"

struct pe_command {
    const char *name; /* NULL ends a list */
    const char *about;
    /* Gets argv[0] as the name of the command. Returns the exit status of the program, usually 0, or a
     * negative number with `err` set. */
    int (*run)(int argc, char **argv, struct pe_error *err);
};

struct pe_command_list {
    const char *program; /* what is in front of the command: "pe-image" or "pe-lb key" */
    const char *about;   /* one sentence */
    const struct pe_command *items;
};

/* Run the command that argv[1] names. --help and -h print the list. Returns what the command returns.
 * PE_ERR_INVALID if there is no such command, or none was named. */
int pe_command_run(const struct pe_command_list *list, int argc, char **argv,
                   struct pe_error *err) PE_MUST_CHECK;

/* The main function of a program that consists of commands: the same, and errors are printed. Returns the
 * exit status: 2 for a wrong command line, 1 for other errors. Without a command, the list is printed on
 * stderr. */
int pe_command_main(const struct pe_command_list *list, int argc, char **argv);

#endif
