/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image sync: images from another host's store. */
#include "image/command.h"
#include "image/sync.h"

#include <stdio.h>
#include <string.h>

#define URL_BYTES_MAX 2000
#define STALL_S_MAX 3600u

int command_sync(int argc, char **argv, struct pe_error *err)
{
    struct command_store store = {0};
    bool json = false;
    uint64_t max_mib = 0, stall_s = 0;
    struct download_route route = {.ca = NULL};
    const struct pe_option options[] = {
        COMMAND_MAX_MIB_OPTION(max_mib, "refuse an image with a larger squashfs file (default: 32768)"),
        {"ca", 0, "FILE", "trust only the certificates in FILE, PEM", PE_OPTION_TEXT, &route.ca},
        {"proxy", 0, "URL", "HTTP proxy (default: as https_proxy and http_proxy say)", PE_OPTION_TEXT,
         &route.proxy},
        {"stall", 0, "S", "give up a connection with less than 1 KiB/s for S seconds (default 30)",
         PE_OPTION_NUMBER, &stall_s},
        COMMAND_JSON_OPTION(json),
        COMMAND_STORE_OPTION(store),
        {0}};
    const struct pe_program program = {
        .name = "pe-image sync",
        .usage = "[options] URL [NAME:TAG...]",
        .about =
            "Copy the named images, or all, from another host's store, unless they are here already. Any\n"
            "web server that serves the store's files will do. What was fetched before an interruption is\n"
            "not fetched again. NAME:TAG@sha256:DIGEST demands a certain version.",
        .options = options};
    char url[URL_BYTES_MAX + 1];
    int rest = 0;
    struct progress progress;
    struct sync_result result;
    if (command_parse(&program, argc, argv, &store, &rest, err) < 0)
        return -1;
    if (rest == argc || (strncmp(argv[rest], "http://", 7) != 0 && strncmp(argv[rest], "https://", 8) != 0))
        return pe_fail(err, PE_ERR_INVALID,
                       "expected the URL of a store, as in http://host/images; see %s --help", program.name);
    if (stall_s > STALL_S_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--stall must be at most %u s", STALL_S_MAX);
    route.stall_s = (uint32_t)stall_s;
    if (strlen(argv[rest]) > URL_BYTES_MAX)
        return pe_fail(err, PE_ERR_INVALID, "the URL is longer than %d bytes", URL_BYTES_MAX);
    snprintf(url, sizeof url, "%s", argv[rest]);
    while (*url && url[strlen(url) - 1] == '/')
        url[strlen(url) - 1] = '\0';
    progress_init(&progress, json);
    const struct sync_options syncing = {.store = store.path,
                                         .url = url,
                                         .bytes_max = command_bytes_max(max_mib),
                                         .route = route,
                                         .progress = &progress};
    int failed = sync_images(&syncing, argv + rest + 1, (size_t)(argc - rest - 1), &result, err);
    progress_end(&progress);
    if (failed)
        return -1;
    if (json)
        return command_print_json(json_pack("{s:I, s:I}", "fetched", (json_int_t)result.fetched, "present",
                                            (json_int_t)result.present),
                                  err);
    printf("images fetched: %zu, already in the store: %zu\n", result.fetched, result.present);
    return 0;
}
