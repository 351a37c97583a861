/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a command, and listing all of them. */
#include "base/command.h"

#include <stdio.h>
#include <string.h>

static void print_list(const struct pe_command_list *list, FILE *out)
{
    size_t width = 0;
    for (const struct pe_command *one = list->items; one->name; one++)
        width = strlen(one->name) > width ? strlen(one->name) : width;
    fprintf(out, "Usage: %s COMMAND [options]\n%s\n\n", list->program, list->about);
    for (const struct pe_command *one = list->items; one->name; one++)
        fprintf(out, "  %-*s  %s\n", (int)width, one->name, one->about);
    fprintf(out, "\n`%s COMMAND --help` shows the options of a command.\n", list->program);
}

int pe_command_run(const struct pe_command_list *list, int argc, char **argv, struct pe_error *err)
{
    if (argc < 2)
        return pe_fail(err, PE_ERR_INVALID, "expected a command; see %s --help", list->program);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        print_list(list, stdout);
        return 0;
    }
    for (const struct pe_command *one = list->items; one->name; one++)
        if (!strcmp(argv[1], one->name))
            return one->run(argc - 1, argv + 1, err);
    return pe_fail(err, PE_ERR_INVALID, "there is no command '%s'; see %s --help", argv[1], list->program);
}

int pe_command_main(const struct pe_command_list *list, int argc, char **argv)
{
    struct pe_error err;
    if (argc < 2) {
        print_list(list, stderr);
        return 2;
    }
    int status = pe_command_run(list, argc, argv, &err);
    if (status < 0)
        pe_die(err.kind == PE_ERR_INVALID ? 2 : 1, &err);
    return status;
}
