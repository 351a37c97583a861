/* pe-image: the list of its commands. */
#include "base/cleanup.h"
#include "base/home.h"
#include "image/command.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

int command_default_store(const char **store, char path[PATH_MAX], struct pe_error *err)
{
    if (*store)
        return 0;
    *store = path;
    return pe_home_path("images", path, PATH_MAX, err);
}

int command_print_json(json_t *json, struct pe_error *err)
{
    int failed =
        !json || json_dumpf(json, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF || fflush(stdout);
    json_decref(json);
    return failed ? pe_fail_errno(err, "writing JSON") : 0;
}

static const struct {
    const char *name, *about;
    int (*run)(int argc, char **argv, struct pe_error *err);
} commands[] = {
    {"pull", "fetch an image, as in pull docker://gcc:14", command_pull},
    {"import", "take in an OCI layout, an archive of an image, or a rootfs tar", command_import},
    {"build", "make an image of Debian packages", command_build},
    {"ls", "list the images of a store", command_ls},
    {"inspect", "show the catalog entry of an image", command_inspect},
    {"tag", "give an image one more name", command_tag},
    {"rm", "remove names, and images with their last one", command_rm},
    {"verify", "check digests", command_verify},
    {"export", "write the root filesystem of an image as a tar", command_export},
    {"combine", "put several images into one, equal files stored once", command_combine},
    {"fetch", "bring images from another host's store", command_fetch},
    {"gc", "remove what no name needs", command_gc},
};

static void print_usage(FILE *out)
{
    fprintf(out, "Usage: pe-image COMMAND [options]\nThe image store of a worker host.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].about);
    fprintf(out, "\n`pe-image COMMAND --help` says more.\n");
}

int main(int argc, char **argv)
{
    /* libarchive translates the names of pax archives, which are UTF-8, to the locale's encoding. */
    setlocale(LC_CTYPE, "C.UTF-8");
    /* A reader that goes away is an error like any other, so that what is unfinished is removed. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    struct pe_error err;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(argv[1], commands[i].name)) {
            if (commands[i].run(argc - 1, argv + 1, &err) < 0)
                pe_die(err.kind == PE_ERR_INVALID ? 2 : 1, &err);
            return 0;
        }
    fprintf(stderr, "pe-image: there is no command '%s'; see pe-image --help\n", argv[1]);
    return 2;
}
