/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image export: the root filesystem of an image as a tar. */
#include "base/cleanup.h"
#include "image/command.h"
#include "image/export.h"
#include "store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A regular file is written under a temporary name first, so that a truncated tar never has the
 * final name. An existing device or pipe is written to directly and never replaced. */
static int export_file(const char *store, const struct pe_image *image, uint64_t bytes_max, const char *path,
                       struct pe_error *err)
{
    char temporary[PATH_MAX];
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        pe_autoclose int out = open(path, O_WRONLY | O_CLOEXEC);
        return out < 0 ? pe_fail_errno(err, "cannot open %s", path)
                       : export_tar(store, image, bytes_max, out, err);
    }
    snprintf(temporary, sizeof temporary, "%.4000s.XXXXXX", path);
    pe_autoclose int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot create %s", temporary);
    if (export_tar(store, image, bytes_max, fd, err) == 0) {
        if (fchmod(fd, 0644) == 0 && fsync(fd) == 0 && rename(temporary, path) == 0)
            return 0;
        pe_fail_errno(err, "cannot write %s", path);
    }
    unlink(temporary);
    return -1;
}

int command_export(int argc, char **argv, struct pe_error *err)
{
    struct command_store store = {0};
    uint64_t max_mib = 0;
    const struct pe_option options[] = {
        COMMAND_MAX_MIB_OPTION(max_mib, "refuse an image that unpacks to more (default: 32768)"),
        COMMAND_STORE_OPTION(store),
        {0}};
    const struct pe_program program = {
        .name = "pe-image export",
        .usage = "[options] NAME:TAG FILE|-",
        .about = "Write the root filesystem of an image as a tar. - is standard output.",
        .options = options};
    int rest = 0;
    pe_autostoreimages struct pe_store_images images = {0};
    if (command_parse(&program, argc, argv, &store, &rest, err) < 0)
        return -1;
    if (rest + 2 != argc)
        return pe_fail(err, PE_ERR_INVALID,
                       "expected an image and a file, or - for standard output; see %s --help", program.name);
    if (pe_store_list(store.path, &images, err) < 0)
        return -1;
    const struct pe_image *image = pe_store_find(&images, argv[rest], err);
    if (!image)
        return -1;
    uint64_t bytes_max = command_bytes_max(max_mib);
    return strcmp(argv[rest + 1], "-") == 0 ? export_tar(store.path, image, bytes_max, STDOUT_FILENO, err)
                                            : export_file(store.path, image, bytes_max, argv[rest + 1], err);
}
