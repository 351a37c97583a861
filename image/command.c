/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands of pe-image share: the default store and JSON output. */
#include "image/command.h"

#include "base/home.h"

#include <stdio.h>

int command_parse(const struct pe_program *program, int argc, char **argv, struct command_store *store,
                  int *rest, struct pe_error *err)
{
    if (pe_options_parse(program, argc, argv, false, rest, err) < 0)
        return -1;
    if (store->path)
        return 0;
    store->path = store->default_path;
    return pe_home_path("images", store->default_path, sizeof store->default_path, err);
}

uint64_t command_bytes_max(uint64_t mib)
{
    if (mib == 0)
        return 32ull << 30;
    return mib > UINT64_MAX >> 20 ? UINT64_MAX : mib << 20;
}

int command_print_json(json_t *json, struct pe_error *err)
{
    int failed =
        !json || json_dumpf(json, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF || fflush(stdout);
    json_decref(json);
    return failed ? pe_fail_errno(err, "cannot write JSON to standard output") : 0;
}
