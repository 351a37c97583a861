/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image inspect: the catalog entry of one image. */
#include "base/cleanup.h"
#include "image/command.h"
#include "store/store.h"

#include <stdio.h>

static void print_arguments(const char *label, char *const *arguments, size_t count)
{
    if (count == 0)
        return;
    printf("%-12s", label);
    for (size_t i = 0; i < count; i++)
        printf(" %s", arguments[i]);
    putchar('\n');
}

static void print_image(const struct pe_image *image)
{
    printf("%-12s %s\n%-12s %s\n%-12s %.1f MiB\n", "name", image->name, "digest", image->digest, "size",
           (double)image->rootfs_bytes / 1048576);
    const char *const texts[][2] = {{"description", image->description},
                                    {"architecture", image->architecture},
                                    {"root", image->root},
                                    {"directory", image->working_dir},
                                    {"stop signal", image->stop_signal}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i][1] && *texts[i][1])
            printf("%-12s %s\n", texts[i][0], texts[i][1]);
    printf("%-12s %u:%u%s%s\n", "user", image->user.uid, image->user.gid, *image->user.name ? " " : "",
           image->user.name);
    print_arguments("command", image->default_cmd, image->default_cmd_count);
    for (size_t i = 0; i < image->command_count; i++)
        print_arguments(image->commands[i].files, image->commands[i].cmd, image->commands[i].cmd_count);
    print_arguments("warm-up", image->warmup, image->warmup_count);
    for (size_t i = 0; i < image->env_count; i++)
        printf("%-12s %s\n", i ? "" : "environment", image->env[i]);
}

int command_inspect(int argc, char **argv, struct pe_error *err)
{
    struct command_store store = {0};
    bool json = false;
    const struct pe_option options[] = {COMMAND_JSON_OPTION(json), COMMAND_STORE_OPTION(store), {0}};
    const struct pe_program program = {.name = "pe-image inspect",
                                       .usage = "[options] NAME:TAG|NAME@DIGEST",
                                       .about = "Show the catalog entry of an image.",
                                       .options = options};
    int rest = 0;
    pe_autostoreimages struct pe_store_images images = {0};
    if (command_parse(&program, argc, argv, &store, &rest, err) < 0)
        return -1;
    if (rest + 1 != argc)
        return pe_fail(err, PE_ERR_INVALID, "expected one image; see %s --help", program.name);
    if (pe_store_list(store.path, &images, err) < 0)
        return -1;
    const struct pe_image *image = pe_store_find(&images, argv[rest], err);
    if (!image)
        return -1;
    if (json)
        return command_print_json(pe_image_to_json(image), err);
    print_image(image);
    return 0;
}
