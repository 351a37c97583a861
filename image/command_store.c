/* ls, inspect, tag, rm, verify and gc: what is in a store. */
#include "base/cleanup.h"
#include "base/options.h"
#include "image/command.h"
#include "image/digest.h"
#include "image/store_writer.h"
#include "proto/job_spec.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct store_options {
    const char *store;
    bool json;
    char home[PATH_MAX];
    int rest;
};

/* Parse what these commands have in common; the store's default is filled in. */
static int parse(const char *name, const char *usage, const char *about, int argc, char **argv,
                 struct store_options *options, struct pe_error *err)
{
    *options = (struct store_options){0};
    const struct pe_option table[] = {
        {"json", 0, NULL, "the result as JSON", PE_OPTION_FLAG, &options->json},
        STORE_OPTION(&options->store),
        {0},
    };
    const struct pe_program program = {.name = name, .usage = usage, .about = about, .options = table};
    if (pe_options_parse(&program, argc, argv, false, &options->rest, err) < 0)
        return -1;
    return command_default_store(&options->store, options->home, err);
}

static int list_to_json(const struct pe_store_images *images, struct pe_error *err)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < images->count; i++)
        json_array_append_new(array, pe_image_to_json(&images->items[i]));
    return command_print_json(array, err);
}

int command_ls(int argc, char **argv, struct pe_error *err)
{
    struct store_options options;
    pe_autostoreimages struct pe_store_images images = {0};
    if (parse("pe-image ls", "[options]", "List the images of a store.", argc, argv, &options, err) < 0 ||
        pe_store_list(options.store, &images, err) < 0)
        return -1;
    if (options.json)
        return list_to_json(&images, err);
    for (size_t i = 0; i < images.count; i++) {
        const struct pe_image *image = &images.items[i];
        printf("%-24s %8.1f MiB  %.19s  %s\n", image->name, (double)image->rootfs_bytes / 1048576,
               image->digest, image->description);
    }
    return 0;
}

/* ---- inspect ---- */

static void print_words(const char *what, char *const *words, size_t count)
{
    if (count == 0)
        return;
    printf("%-12s", what);
    for (size_t i = 0; i < count; i++)
        printf(" %s", words[i]);
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
    print_words("command", image->default_cmd, image->default_cmd_count);
    for (size_t i = 0; i < image->command_count; i++)
        print_words(image->commands[i].files, image->commands[i].cmd, image->commands[i].cmd_count);
    print_words("warm-up", image->warmup, image->warmup_count);
    for (size_t i = 0; i < image->env_count; i++)
        printf("%-12s %s\n", i ? "" : "environment", image->env[i]);
}

int command_inspect(int argc, char **argv, struct pe_error *err)
{
    struct store_options options;
    pe_autostoreimages struct pe_store_images images = {0};
    if (parse("pe-image inspect", "[options] NAME:TAG|NAME@DIGEST", "Show the catalog entry of an image.",
              argc, argv, &options, err) < 0)
        return -1;
    if (options.rest + 1 != argc)
        return pe_fail(err, PE_ERR_INVALID, "say which image; see pe-image inspect --help");
    if (pe_store_list(options.store, &images, err) < 0)
        return -1;
    const struct pe_image *image = pe_store_find(&images, argv[options.rest], err);
    if (!image)
        return -1;
    if (options.json)
        return command_print_json(pe_image_to_json(image), err);
    print_image(image);
    return 0;
}

/* ---- tag, rm ---- */

int command_tag(int argc, char **argv, struct pe_error *err)
{
    struct store_options options;
    if (parse("pe-image tag", "[options] NAME:TAG NEW:TAG", "Give an image one more name.", argc, argv,
              &options, err) < 0)
        return -1;
    if (options.rest + 2 != argc)
        return pe_fail(err, PE_ERR_INVALID, "say an image and its new name; see pe-image tag --help");
    return entry_name(options.store, argv[options.rest], argv[options.rest + 1], err);
}

int command_rm(int argc, char **argv, struct pe_error *err)
{
    struct store_options options;
    if (parse("pe-image rm", "[options] NAME:TAG...", "Remove names, and images with their last one.", argc,
              argv, &options, err) < 0)
        return -1;
    if (options.rest == argc)
        return pe_fail(err, PE_ERR_INVALID, "say which image; see pe-image rm --help");
    for (int i = options.rest; i < argc; i++)
        if (entry_remove(options.store, argv[i], err) < 0)
            return -1;
    return 0;
}

/* ---- verify ---- */

/* What is wrong with an image's rootfs goes into `fault`. */
static int verify_image(const char *store, const struct pe_image *image, struct pe_error *fault)
{
    char path[PATH_MAX], digest[DIGEST_TEXT_BYTES];
    struct stat info;
    pe_autoclose int fd = pe_store_open_rootfs(store, image, fault);
    if (fd < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fstat(fd, &info) < 0 || (uint64_t)info.st_size != image->rootfs_bytes)
        return pe_fail(fault, PE_ERR_INVALID, "has another size than its catalog entry says");
    if (digest_file(path, digest, fault) < 0)
        return -1;
    return strcmp(digest, image->digest) == 0 ? 0
                                              : pe_fail(fault, PE_ERR_INVALID, "its digest is %s", digest);
}

static bool is_wanted(const struct pe_image *image, int argc, char **argv, int rest)
{
    for (int i = rest; i < argc; i++)
        if (!strcmp(image->name, argv[i]))
            return true;
    return rest == argc;
}

int command_verify(int argc, char **argv, struct pe_error *err)
{
    struct store_options options;
    struct pe_error fault;
    pe_autostoreimages struct pe_store_images images = {0};
    if (parse("pe-image verify", "[options] [NAME:TAG...]", "Check the digests of all images, or of some.",
              argc, argv, &options, err) < 0 ||
        pe_store_list(options.store, &images, err) < 0)
        return -1;
    for (int i = options.rest; i < argc; i++)
        if (!pe_store_find(&images, argv[i], err))
            return -1;
    pe_autojson json_t *result = json_array();
    size_t bad = 0;
    for (size_t i = 0; i < images.count; i++) {
        const struct pe_image *image = &images.items[i];
        if (!is_wanted(image, argc, argv, options.rest))
            continue;
        bool good = verify_image(options.store, image, &fault) == 0;
        bad += !good;
        json_array_append_new(result,
                              json_pack("{s:s, s:s, s:b, s:s}", "name", image->name, "digest", image->digest,
                                        "good", good, "fault", good ? "" : fault.message));
        if (!options.json)
            printf("%-24s %s\n", image->name, good ? "good" : fault.message);
    }
    if (options.json && command_print_json(json_incref(result), err) < 0)
        return -1;
    return bad ? pe_fail(err, PE_ERR_MALFORMED, "%zu of %zu images are damaged", bad, json_array_size(result))
               : 0;
}

/* ---- gc ---- */

int command_gc(int argc, char **argv, struct pe_error *err)
{
    struct store_options options;
    uint64_t removed = 0, bytes = 0;
    if (parse("pe-image gc", "[options]", "Remove rootfs files without a name, and what was left unfinished.",
              argc, argv, &options, err) < 0 ||
        entry_collect(options.store, &removed, &bytes, err) < 0)
        return -1;
    if (options.json)
        return command_print_json(
            json_pack("{s:I, s:I}", "removed", (json_int_t)removed, "bytes", (json_int_t)bytes), err);
    printf("removed %llu images without a name, %.1f MiB\n", (unsigned long long)removed,
           (double)bytes / 1048576);
    return 0;
}
