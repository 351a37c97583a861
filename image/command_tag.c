/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image tag: an additional name for an image. */
#include "image/command.h"
#include "image/store_writer.h"

int command_tag(int argc, char **argv, struct pe_error *err)
{
    struct command_store store = {0};
    const struct pe_option options[] = {COMMAND_STORE_OPTION(store), {0}};
    const struct pe_program program = {.name = "pe-image tag",
                                       .usage = "[options] NAME:TAG NEW:TAG",
                                       .about = "Give an image an additional name.",
                                       .options = options};
    int rest = 0;
    if (command_parse(&program, argc, argv, &store, &rest, err) < 0)
        return -1;
    if (rest + 2 != argc)
        return pe_fail(err, PE_ERR_INVALID, "expected an image and its new name; see %s --help",
                       program.name);
    return store_copy_name(store.path, argv[rest], argv[rest + 1], err);
}
