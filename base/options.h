/* Command lines from one table per program: the same table parses and prints --help. */
#ifndef PE_BASE_OPTIONS_H
#define PE_BASE_OPTIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pe_option_kind {
    PE_OPTION_FLAG,   /* bool: present sets true */
    PE_OPTION_TEXT,   /* const char *: points into argv */
    PE_OPTION_NUMBER, /* uint64_t: decimal */
    PE_OPTION_LIST,   /* struct pe_option_list: every occurrence, in order */
};

struct pe_option_list {
    const char **items; /* owned; the texts point into argv */
    size_t count;
};

struct pe_option {
    const char *name;     /* long name without dashes; NULL ends the table */
    char letter;          /* one-letter form, or 0; 'h' is taken */
    const char *argument; /* name of the argument in --help; NULL for a flag */
    const char *help;
    enum pe_option_kind kind;
    void *value; /* where to put it, of the kind's type */
};

struct pe_program {
    const char *name;
    const char *usage; /* what follows the name on the usage line */
    const char *about; /* one or two sentences */
    const struct pe_option *options;
    const char *epilogue; /* printed last in --help, or NULL */
};

/* Parse argv. Options end at the first argument that is not one when `stop_early`, at "--" always. Sets
 * `*rest` to the index of the first argument that was not consumed; arguments that are not options are moved
 * behind the options, in order, unless `stop_early`. `--help` or `-h` prints the table and exits 0. A usage
 * error is PE_ERR_INVALID. */
int pe_options_parse(const struct pe_program *program, int argc, char **argv, bool stop_early, int *rest,
                     struct pe_error *err) PE_MUST_CHECK;

void pe_option_list_free(struct pe_option_list *list);

#endif
