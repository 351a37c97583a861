/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands of pe-vm have in common. */
#include "vm/command.h"

#include "base/cleanup.h"
#include "vm/sweep.h"

#include <errno.h>
#include <stdio.h>

int command_open_place(const char *path, struct place *place, struct pe_error *err)
{
    if (place_open(path, place, err) < 0)
        return -1;
    sweep(place);
    return 0;
}

int command_begin(const struct pe_program *program, int argc, char **argv, const char *const *place_path,
                  bool extra, struct place *place, struct vmname *name, int *rest, struct pe_error *err)
{
    if (pe_options_parse(program, argc, argv, extra, rest, err) < 0)
        return -1;
    if (*rest >= argc)
        return pe_fail(err, PE_ERR_INVALID, "the name of a VM is missing; see %s --help", program->name);
    if (!extra && *rest + 1 < argc)
        return pe_fail(err, PE_ERR_INVALID, "unexpected argument '%s'; see %s --help", argv[*rest + 1],
                       program->name);
    if (vmname_parse(argv[*rest], name, err) < 0)
        return -1;
    ++*rest;
    return command_open_place(*place_path, place, err);
}

int command_print_json(json_t *json, struct pe_error *err)
{
    const int failed = json ? json_dumpf(json, stdout, JSON_INDENT(2)) : -1;
    json_decref(json);
    if (failed < 0 || putchar('\n') < 0 || fflush(stdout) != 0) {
        if (!json)
            errno = ENOMEM;
        return pe_fail_errno(err, "cannot print the result");
    }
    return 0;
}
