/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image: choose the subcommand and report its error. */
#include "image/command.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *about;
    int (*run)(int argc, char **argv, struct pe_error *err);
} commands[] = {
    {"pull", "fetch an image from a registry, as in: pe-image pull docker://gcc:14", command_pull},
    {"import", "import an OCI layout, an image archive or a root filesystem's tar", command_import},
    {"build", "build an image from Debian packages", command_build},
    {"ls", "list the images of a store", command_ls},
    {"inspect", "show the catalog entry of an image", command_inspect},
    {"update", "change the catalog entry of an image", command_update},
    {"tag", "give an image an additional name", command_tag},
    {"rm", "remove names; an image is deleted together with its last name", command_rm},
    {"verify", "compare images with their digests", command_verify},
    {"export", "write the root filesystem of an image as a tar", command_export},
    {"combine", "merge images into one file that stores equal files once", command_combine},
    {"sync", "copy from another host's store over HTTP what is missing here", command_sync},
    {"gc", "delete images without a name and unfinished work", command_gc},
};

static void print_usage(FILE *out)
{
    fprintf(out, "Usage: pe-image COMMAND [options]\nManage the image store of a worker.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].about);
    fprintf(out, "\n`pe-image COMMAND --help` shows the options of a command.\n");
}

int main(int argc, char **argv)
{
    /* libarchive converts the names of pax archives, which are UTF-8, to the encoding of the
     * locale. */
    setlocale(LC_CTYPE, "C.UTF-8");
    /* With SIGPIPE ignored, a closed pipe is an ordinary write error, and unfinished work is
     * removed. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    struct pe_error err;
    const char *name = strcmp(argv[1], "fetch") != 0 ? argv[1] : "sync"; /* `fetch` is its older name */
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(name, commands[i].name)) {
            if (commands[i].run(argc - 1, argv + 1, &err) < 0)
                pe_die(err.kind == PE_ERR_INVALID ? 2 : 1, &err);
            return 0;
        }
    fprintf(stderr, "pe-image: there is no command '%s'; see pe-image --help\n", argv[1]);
    return 2;
}
