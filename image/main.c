/* pe-image: the commands import, ls and rm, and their options. */
#include "base/cleanup.h"
#include "base/home.h"
#include "base/options.h"
#include "image/entry.h"
#include "image/import.h"
#include "image/store.h"
#include "proto/job.h"
#include "proto/limits.h"

#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#define STORE_OPTION(value)                                                                                \
    {                                                                                                      \
        "store", 0, "DIR", "the image store (default: images in the installation's home)", PE_OPTION_TEXT, \
            value                                                                                          \
    }

static int default_store(const char **store, char path[PATH_MAX], struct pe_error *err)
{
    if (*store)
        return 0;
    *store = path;
    return pe_home_path("images", path, PATH_MAX, err);
}

/* ---- import ---- */

struct import_options {
    const char *name, *description, *command, *directory, *store;
    struct pe_option_list env;
};

static void free_import_options(struct import_options *options)
{
    pe_option_list_free(&options->env);
}

static json_t *command_from_text(const char *text, struct pe_error *err)
{
    json_error_t where;
    json_t *command = json_loads(text ? text : "[]", 0, &where);
    if (!json_is_array(command)) {
        json_decref(command);
        pe_fail(err, PE_ERR_INVALID, "--cmd takes a JSON array of strings, not '%s'", text);
        return NULL;
    }
    return command;
}

/* The catalog entry, by way of its JSON form, so that what is written is what can be read. */
static int image_from_options(const struct import_options *options, struct pe_image *image,
                              struct pe_error *err)
{
    static const char no_digest[] = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    if (!options->name)
        return pe_fail(err, PE_ERR_INVALID, "--name is missing: what the image is called, as in gcc:14");
    const char *tag = strchr(options->name, ':') ? "" : ":latest";
    pe_autofree char *name = NULL;
    if (asprintf(&name, "%s%s", options->name, tag) < 0) {
        name = NULL;
        return pe_fail_errno(err, "--name");
    }
    json_t *command = command_from_text(options->command, err);
    if (!command)
        return -1;
    json_t *env = json_array();
    for (size_t i = 0; env && i < options->env.count; i++)
        json_array_append_new(env, json_string(options->env.items[i]));
    pe_autojson json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "name", name, "digest", no_digest, "description",
                  options->description ? options->description : "", "working_dir",
                  options->directory ? options->directory : "/", "default_cmd", command, "env", env);
    if (!json)
        return pe_fail(err, PE_ERR_INVALID, "the options are not valid UTF-8");
    if (pe_image_from_json(json, image, err) == 0)
        return 0;
    return pe_fail_context(err, "image '%s'", name);
}

static int command_import(int argc, char **argv, struct pe_error *err)
{
    __attribute__((cleanup(free_import_options))) struct import_options options = {0};
    const struct pe_option table[] = {
        {"name", 'n', "NAME:TAG", "what the image is called", PE_OPTION_TEXT, &options.name},
        {"description", 0, "TEXT", "one sentence for the catalog", PE_OPTION_TEXT, &options.description},
        {"cmd", 0, "JSON", "default command, an array; {files:GLOB} is the job's files", PE_OPTION_TEXT,
         &options.command},
        {"env", 'e', "KEY=VALUE", "environment of every job; may come several times", PE_OPTION_LIST,
         &options.env},
        {"workdir", 0, "DIR", "the image's own working directory", PE_OPTION_TEXT, &options.directory},
        STORE_OPTION(&options.store),
        {0},
    };
    const struct pe_program program = {
        .name = "pe-image import",
        .usage = "--name NAME:TAG [options] FILE|-",
        .about = "Make an image of a root filesystem's tar, as `docker export` and mmdebstrap write it.",
        .options = table,
    };
    char home[PATH_MAX];
    int rest = 0;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    if (rest + 1 != argc)
        return pe_fail(err, PE_ERR_INVALID, "say one tar file, or - for standard input; see %s --help",
                       program.name);
    pe_autoimage struct pe_image image = {0};
    if (image_from_options(&options, &image, err) < 0 || default_store(&options.store, home, err) < 0)
        return -1;
    const char *source = argv[rest];
    if (!strcmp(source, "-"))
        return import_tar(options.store, STDIN_FILENO, "standard input", &image, err);
    pe_autoclose int fd = open(source, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "opening %s", source);
    return import_tar(options.store, fd, source, &image, err);
}

/* ---- ls ---- */

static int print_json(const struct pe_store_images *images, struct pe_error *err)
{
    pe_autojson json_t *array = json_array();
    int failed = !array;
    for (size_t i = 0; i < images->count && !failed; i++)
        failed |= json_array_append_new(array, pe_image_to_json(&images->items[i]));
    if (failed || json_dumpf(array, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF)
        return pe_fail_errno(err, "writing the list");
    return 0;
}

static void print_table(const struct pe_store_images *images)
{
    for (size_t i = 0; i < images->count; i++) {
        const struct pe_image *image = &images->items[i];
        printf("%-24s %8.1f MiB  %.19s  %s\n", image->name, (double)image->rootfs_bytes / 1048576,
               image->digest, image->description);
    }
}

static int command_ls(int argc, char **argv, struct pe_error *err)
{
    const char *store = NULL;
    bool json = false;
    const struct pe_option table[] = {
        {"json", 0, NULL, "the catalog entries as JSON", PE_OPTION_FLAG, &json},
        STORE_OPTION(&store),
        {0},
    };
    const struct pe_program program = {.name = "pe-image ls",
                                       .usage = "[options]",
                                       .about = "List the images of a store.",
                                       .options = table};
    char home[PATH_MAX];
    int rest = 0;
    pe_autostoreimages struct pe_store_images images = {0};
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0 ||
        default_store(&store, home, err) < 0 || pe_store_list(store, &images, err) < 0)
        return -1;
    if (json)
        return print_json(&images, err);
    print_table(&images);
    return 0;
}

/* ---- rm ---- */

static int command_rm(int argc, char **argv, struct pe_error *err)
{
    const char *store = NULL;
    const struct pe_option table[] = {STORE_OPTION(&store), {0}};
    const struct pe_program program = {.name = "pe-image rm",
                                       .usage = "[options] NAME:TAG...",
                                       .about = "Remove images from a store.",
                                       .options = table};
    char home[PATH_MAX];
    int rest = 0;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0 || default_store(&store, home, err) < 0)
        return -1;
    if (rest == argc)
        return pe_fail(err, PE_ERR_INVALID, "say which image; see %s --help", program.name);
    for (; rest < argc; rest++)
        if (entry_remove(store, argv[rest], err) < 0)
            return -1;
    return 0;
}

/* ---- */

static const struct {
    const char *name, *about;
    int (*run)(int argc, char **argv, struct pe_error *err);
} commands[] = {
    {"import", "make an image of a root filesystem's tar", command_import},
    {"ls", "list the images of a store", command_ls},
    {"rm", "remove images from a store", command_rm},
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
    if (argc < 2 || !strcmp(argv[1], "--help")) {
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
