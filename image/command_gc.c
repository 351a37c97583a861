/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image gc: delete what no name refers to. */
#include "image/command.h"
#include "image/store_writer.h"

#include <stdio.h>

int command_gc(int argc, char **argv, struct pe_error *err)
{
    struct command_store store = {0};
    bool json = false;
    const struct pe_option options[] = {COMMAND_JSON_OPTION(json), COMMAND_STORE_OPTION(store), {0}};
    const struct pe_program program = {
        .name = "pe-image gc",
        .usage = "[options]",
        .about = "Delete images that have no name, and the unfinished work of killed processes.",
        .options = options};
    int rest = 0;
    uint64_t removed = 0, bytes = 0;
    if (command_parse(&program, argc, argv, &store, &rest, err) < 0 ||
        store_collect_garbage(store.path, &removed, &bytes, err) < 0)
        return -1;
    if (json)
        return command_print_json(
            json_pack("{s:I, s:I}", "removed", (json_int_t)removed, "bytes", (json_int_t)bytes), err);
    printf("images without a name deleted: %llu, %.1f MiB\n", (unsigned long long)removed,
           (double)bytes / 1048576);
    return 0;
}
