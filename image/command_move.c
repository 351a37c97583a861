/* export, combine and fetch: what goes out, comes together and comes over. */
#include "base/cleanup.h"
#include "base/options.h"
#include "image/combine.h"
#include "image/command.h"
#include "image/export.h"
#include "image/fetch.h"
#include "proto/job_spec.h"
#include "store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- export ---- */

/* Aside first: a tar that is cut short must not look like one. What is there and no regular file, a device or
 * a pipe, is written to and never replaced. */
static int export_file(const char *store, const struct pe_image *image, const char *path,
                       struct pe_error *err)
{
    char aside[PATH_MAX];
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        pe_autoclose int out = open(path, O_WRONLY | O_CLOEXEC);
        return out < 0 ? pe_fail_errno(err, "opening %s", path) : export_tar(store, image, out, err);
    }
    snprintf(aside, sizeof aside, "%.4000s.XXXXXX", path);
    pe_autoclose int fd = mkostemp(aside, O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "creating %s", aside);
    if (export_tar(store, image, fd, err) == 0) {
        if (fchmod(fd, 0644) == 0 && fsync(fd) == 0 && rename(aside, path) == 0)
            return 0;
        pe_fail_errno(err, "writing %s", path);
    }
    unlink(aside);
    return -1;
}

int command_export(int argc, char **argv, struct pe_error *err)
{
    const char *store = NULL;
    const struct pe_option table[] = {STORE_OPTION(&store), {0}};
    const struct pe_program program = {.name = "pe-image export",
                                       .usage = "[options] NAME:TAG FILE|-",
                                       .about = "Write the root filesystem of an image as a tar.",
                                       .options = table};
    char home[PATH_MAX];
    int rest = 0;
    pe_autostoreimages struct pe_store_images images = {0};
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    if (rest + 2 != argc)
        return pe_fail(err, PE_ERR_INVALID,
                       "say an image and a file, or - for standard output; see %s --help", program.name);
    if (command_default_store(&store, home, err) < 0 || pe_store_list(store, &images, err) < 0)
        return -1;
    const struct pe_image *image = pe_store_find(&images, argv[rest], err);
    if (!image)
        return -1;
    return strcmp(argv[rest + 1], "-") == 0 ? export_tar(store, image, STDOUT_FILENO, err)
                                            : export_file(store, image, argv[rest + 1], err);
}

/* ---- combine ---- */

int command_combine(int argc, char **argv, struct pe_error *err)
{
    const char *store = NULL;
    bool json = false;
    const struct pe_option table[] = {
        {"json", 0, NULL, "the result as JSON", PE_OPTION_FLAG, &json}, STORE_OPTION(&store), {0}};
    const struct pe_program program = {.name = "pe-image combine",
                                       .usage = "[options] NAME:TAG NAME:TAG...",
                                       .about = "Put several images into one file, where equal files are "
                                                "stored once. Their names stay what they\n"
                                                "are: each means its part of it.",
                                       .options = table,
                                       .epilogue = "The data of the first image is taken over as it lies. "
                                                   "Name a combined image first to add to it."};
    char home[PATH_MAX];
    int rest = 0;
    struct progress progress;
    struct combine_result result;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0 ||
        command_default_store(&store, home, err) < 0)
        return -1;
    progress_init(&progress, json);
    int failed = combine_images(store, argv + rest, (size_t)(argc - rest), &progress, &result, err);
    progress_end(&progress);
    if (failed)
        return -1;
    if (json)
        return command_print_json(json_pack("{s:I, s:I, s:I, s:I}", "bytes_before", (json_int_t)result.before,
                                            "bytes_after", (json_int_t)result.after, "shared_files",
                                            (json_int_t)result.shared_files, "shared_bytes",
                                            (json_int_t)result.shared_bytes),
                                  err);
    printf("%.1f MiB instead of %.1f MiB (%.0f%%); %llu files of %.1f MiB were in the first image already\n",
           (double)result.after / 1048576, (double)result.before / 1048576,
           100.0 * (double)result.after / (double)result.before, (unsigned long long)result.shared_files,
           (double)result.shared_bytes / 1048576);
    return 0;
}

/* ---- fetch ---- */

int command_fetch(int argc, char **argv, struct pe_error *err)
{
    const char *store = NULL;
    bool json = false;
    const struct pe_option table[] = {
        {"json", 0, NULL, "the result as JSON", PE_OPTION_FLAG, &json}, STORE_OPTION(&store), {0}};
    const struct pe_program program = {
        .name = "pe-image fetch",
        .usage = "[options] URL [NAME:TAG...]",
        .about =
            "Bring images, or all, from another host's store, which any web server may serve as plain files.",
        .options = table};
    char home[PATH_MAX], url[PATH_MAX];
    int rest = 0;
    struct progress progress;
    struct fetch_result result;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0 ||
        command_default_store(&store, home, err) < 0)
        return -1;
    if (rest == argc || (strncmp(argv[rest], "http://", 7) != 0 && strncmp(argv[rest], "https://", 8) != 0))
        return pe_fail(err, PE_ERR_INVALID, "say the URL of a store, as in http://host/images; see %s --help",
                       program.name);
    snprintf(url, sizeof url, "%.2000s", argv[rest]);
    while (*url && url[strlen(url) - 1] == '/')
        url[strlen(url) - 1] = '\0';
    progress_init(&progress, json);
    int failed =
        fetch_images(store, url, argv + rest + 1, (size_t)(argc - rest - 1), &progress, &result, err);
    progress_end(&progress);
    if (failed)
        return -1;
    if (json)
        return command_print_json(json_pack("{s:I, s:I}", "fetched", (json_int_t)result.fetched, "present",
                                            (json_int_t)result.present),
                                  err);
    printf("fetched %zu images, %zu were here\n", result.fetched, result.present);
    return 0;
}
