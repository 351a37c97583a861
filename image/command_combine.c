/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image combine: several images in one file. */
#include "image/combine.h"
#include "image/command.h"

#include <stdio.h>

static int print_result(const struct combine_result *result, bool json, struct pe_error *err)
{
    if (json)
        return command_print_json(
            json_pack("{s:I, s:I, s:I, s:I}", "bytes_before", (json_int_t)result->before, "bytes_after",
                      (json_int_t)result->after, "shared_files", (json_int_t)result->shared_files,
                      "shared_bytes", (json_int_t)result->shared_bytes),
            err);
    printf("%.1f MiB instead of %.1f MiB (%.0f%%); %llu files of %.1f MiB were already in the first image\n",
           (double)result->after / 1048576, (double)result->before / 1048576,
           100.0 * (double)result->after / (double)result->before, (unsigned long long)result->shared_files,
           (double)result->shared_bytes / 1048576);
    return 0;
}

int command_combine(int argc, char **argv, struct pe_error *err)
{
    struct command_store store = {0};
    bool json = false;
    uint64_t max_mib = 0;
    const struct pe_option options[] = {
        COMMAND_MAX_MIB_OPTION(max_mib, "refuse images of which one unpacks to more (default: 32768)"),
        COMMAND_JSON_OPTION(json),
        COMMAND_STORE_OPTION(store),
        {0}};
    const struct pe_program program = {
        .name = "pe-image combine",
        .usage = "[options] NAME:TAG NAME:TAG...",
        .about = "Merge images into one file that stores equal files once. Their names stay the same; each\n"
                 "now refers to its part of the file.",
        .options = options,
        .epilogue =
            "The data of the first image is copied as it is. To add to a combined image, name one of its\n"
            "parts first and then all other parts."};
    int rest = 0;
    struct progress progress;
    struct combine_result result;
    if (command_parse(&program, argc, argv, &store, &rest, err) < 0)
        return -1;
    progress_init(&progress, json);
    const struct combine_options combining = {
        .store = store.path, .bytes_max = command_bytes_max(max_mib), .progress = &progress};
    int failed = combine_images(&combining, argv + rest, (size_t)(argc - rest), &result, err);
    progress_end(&progress);
    return failed ? -1 : print_result(&result, json, err);
}
