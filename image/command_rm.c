/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image rm: remove names, and images with their last one. */
#include "image/command.h"
#include "image/store_writer.h"

int command_rm(int argc, char **argv, struct pe_error *err)
{
    struct command_store store = {0};
    const struct pe_option options[] = {COMMAND_STORE_OPTION(store), {0}};
    const struct pe_program program = {.name = "pe-image rm",
                                       .usage = "[options] NAME:TAG...",
                                       .about =
                                           "Remove names. An image is deleted together with its last name.",
                                       .options = options};
    int rest = 0;
    if (command_parse(&program, argc, argv, &store, &rest, err) < 0)
        return -1;
    if (rest == argc)
        return pe_fail(err, PE_ERR_INVALID, "expected the names to remove; see %s --help", program.name);
    for (int i = rest; i < argc; i++)
        if (store_remove_name(store.path, argv[i], err) < 0)
            return -1;
    return 0;
}
