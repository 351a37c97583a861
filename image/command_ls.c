/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image ls: the images of a store. */
#include "base/cleanup.h"
#include "codec/json_list.h"
#include "image/command.h"
#include "store/store.h"

#include <stdio.h>

static int print_json(const struct pe_store_images *images, struct pe_error *err)
{
    json_t *array = json_array();
    for (size_t i = 0; i < images->count; i++)
        pe_json_list_add(&array, pe_image_to_json(&images->items[i]));
    return command_print_json(array, err);
}

int command_ls(int argc, char **argv, struct pe_error *err)
{
    struct command_store store = {0};
    bool json = false;
    const struct pe_option options[] = {COMMAND_JSON_OPTION(json), COMMAND_STORE_OPTION(store), {0}};
    const struct pe_program program = {.name = "pe-image ls",
                                       .usage = "[options]",
                                       .about = "List the images of a store.",
                                       .options = options};
    int rest = 0;
    pe_autostoreimages struct pe_store_images images = {0};
    if (command_parse(&program, argc, argv, &store, &rest, err) < 0 ||
        pe_store_list(store.path, &images, err) < 0)
        return -1;
    if (json)
        return print_json(&images, err);
    for (size_t i = 0; i < images.count; i++) {
        const struct pe_image *image = &images.items[i];
        printf("%-24s %8.1f MiB  %.19s  %s\n", image->name, (double)image->rootfs_bytes / 1048576,
               image->digest, image->description);
    }
    return 0;
}
