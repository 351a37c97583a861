/* SPDX-License-Identifier: Apache-2.0 */
/* Command line options. Each program has one table, which parses its arguments and prints its
 * --help. */
#ifndef PE_BASE_OPTIONS_H
#define PE_BASE_OPTIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pe_option_kind {
    PE_OPTION_FLAG,   /* bool: true if the option is present */
    PE_OPTION_TEXT,   /* const char *: points into argv */
    PE_OPTION_NUMBER, /* uint64_t: a decimal number */
    PE_OPTION_LIST,   /* struct pe_option_list: the values of all occurrences, in order */
};

struct pe_option_list {
    const char **items; /* owned; the texts point into argv */
    size_t count;
};

struct pe_option {
    const char *name;     /* long name without dashes; NULL ends the table */
    char letter;          /* one-letter form, or 0; 'h' is --help */
    const char *argument; /* name of the argument in --help; NULL for a flag */
    const char *help;
    enum pe_option_kind kind;
    void *value; /* where the value goes; its type is that of the kind */
};

struct pe_program {
    const char *name;
    const char *usage; /* the text after the name on the usage line */
    const char *about; /* one or two sentences */
    const struct pe_option *options;
    const char *epilogue; /* printed last in --help, or NULL */
    const char *command;  /* for the error of an unknown option: it may belong to a command; or NULL */
};

#define PE_OPTIONS_MAX 63u

/* A table that is put together from groups of options. Begins as {0}; the empty line at its end is always
 * there. */
struct pe_option_table {
    struct pe_option items[PE_OPTIONS_MAX + 1];
    size_t count;
};

/* Append `count` options, in the order of --help. The table must have room for them. */
void pe_option_table_add(struct pe_option_table *table, const struct pe_option *options, size_t count);

/* Parse argv. Options end at "--", and with `stop_early` also at the first argument that is not an
 * option. Without it, arguments that are not options are moved behind the options, in their order.
 * Sets `*rest` to the index of the first argument after the options. --help and -h print the table
 * and exit with 0. A usage error is PE_ERR_INVALID. The caller frees the lists, also after a failure. */
int pe_options_parse(const struct pe_program *program, int argc, char **argv, bool stop_early, int *rest,
                     struct pe_error *err) PE_MUST_CHECK;

/* Free the list, but not the texts, which belong to argv. */
void pe_option_list_free(struct pe_option_list *list);

#endif
