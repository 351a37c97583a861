/* import and pull: their options become a catalog entry's fields and the options of image/import.c. */
#include "base/cleanup.h"
#include "base/options.h"
#include "image/catalog_entry.h"
#include "image/command.h"
#include "image/import.h"
#include "proto/job_spec.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

struct take_options {
    const char *name, *description, *command, *directory, *store, *metadata, *architecture, *reference;
    struct pe_option_list env;
    bool json, devices, plain_http;
    uint64_t max_mib;
};

static void free_options(struct take_options *options)
{
    pe_option_list_free(&options->env);
}

#define TAKE_OPTIONS(options)                                                                                \
    {"name", 'n', "NAME:TAG", "what the image is called", PE_OPTION_TEXT, &(options).name},                  \
        {"arch",         0,                                                                                  \
         "ARCH",         "of a multi-arch image (default: this machine's)",                                  \
         PE_OPTION_TEXT, &(options).architecture},                                                           \
        {"meta", 0, "FILE", "metadata for the catalog, a pe.json", PE_OPTION_TEXT, &(options).metadata},     \
        {"description", 0, "TEXT", "one sentence for the catalog", PE_OPTION_TEXT, &(options).description},  \
        {"cmd",          0,                                                                                  \
         "JSON",         "default command, an array; {files:GLOB} is the job's files",                       \
         PE_OPTION_TEXT, &(options).command},                                                                \
        {"env",          'e',           "KEY=VALUE", "environment of every job; may be repeated",            \
         PE_OPTION_LIST, &(options).env},                                                                    \
        {"workdir", 0, "DIR", "the image's own working directory", PE_OPTION_TEXT, &(options).directory},    \
        {"devices",         0, NULL, "keep device nodes, fifos and sockets outside of /dev", PE_OPTION_FLAG, \
         &(options).devices},                                                                                \
        {"max-mib",                                                                                          \
         0,                                                                                                  \
         "MIB",                                                                                              \
         "refuse an image that unpacks to more (default 32768)",                                             \
         PE_OPTION_NUMBER,                                                                                   \
         &(options).max_mib},                                                                                \
    {                                                                                                        \
        "json", 0, NULL, "print the new catalog entry as JSON, and nothing else", PE_OPTION_FLAG,            \
            &(options).json                                                                                  \
    }

/* ---- the catalog entry ---- */

static json_t *command_from_text(const char *text, struct pe_error *err)
{
    json_error_t where;
    json_t *command = json_loads(text, 0, &where);
    if (!json_is_array(command)) {
        json_decref(command);
        pe_fail(err, PE_ERR_INVALID, "--cmd takes a JSON array of strings, not '%s'", text);
        return NULL;
    }
    return command;
}

static json_t *env_from_list(const struct pe_option_list *list)
{
    json_t *env = json_array();
    for (size_t i = 0; env && i < list->count; i++)
        json_array_append_new(env, json_string(list->items[i]));
    return env;
}

static int set_text(json_t *about, const char *field, const char *text, struct pe_error *err)
{
    if (!text || json_object_set_new(about, field, json_string(text)) == 0)
        return 0;
    return pe_fail(err, PE_ERR_INVALID, "the option for '%s' is not valid UTF-8", field);
}

/* Whether the entry is one, as far as the command line says it: before an image is fetched for nothing. */
static int check(const json_t *about, const char *name, struct pe_error *err)
{
    static const char no_digest[] = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    pe_autojson json_t *copy = json_copy((json_t *)about);
    pe_autoimage struct pe_image image = {0};
    if (!copy || json_object_set_new(copy, "digest", json_string(no_digest)) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "catalog entry");
    if (pe_image_from_json(copy, &image, err) == 0)
        return 0;
    pe_fail_context(err, "image '%s'", name);
    err->kind = PE_ERR_INVALID;
    return -1;
}

static int about_from_options(const struct take_options *options, const char *name, json_t *about,
                              struct pe_error *err)
{
    if (options->metadata && about_take_own_file(about, options->metadata, err) < 0)
        return -1;
    if (options->command) {
        json_t *command = command_from_text(options->command, err);
        if (!command || json_object_set_new(about, "default_cmd", command) < 0)
            return -1;
    }
    if (options->env.count && json_object_set_new(about, "env", env_from_list(&options->env)) < 0)
        return pe_fail(err, PE_ERR_INVALID, "the options are not valid UTF-8");
    if (set_text(about, "name", name, err) < 0 ||
        set_text(about, "description", options->description, err) < 0 ||
        set_text(about, "working_dir", options->directory, err) < 0)
        return -1;
    return check(about, name, err);
}

/* ---- both commands ---- */

/* With the tag that is meant when none is said. */
static int full_name(const char *name, char full[PE_IMAGE_NAME_MAX + 8], struct pe_error *err)
{
    int n = snprintf(full, PE_IMAGE_NAME_MAX + 8, "%s%s", name, strchr(name, ':') ? "" : ":latest");
    return n > 0 && n < (int)PE_IMAGE_NAME_MAX + 8 ? 0 : pe_fail(err, PE_ERR_INVALID, "--name is too long");
}

static void prepare(struct take_options *options, struct import_options *import, struct progress *progress)
{
    static struct utsname machine;
    uname(&machine);
    progress_init(progress, options->json);
    import->store = options->store;
    import->progress = progress;
    import->choice.architecture =
        oci_architecture(options->architecture ? options->architecture : machine.machine);
    import->choice.reference = options->reference;
    import->flatten.keep_devices = options->devices;
    import->flatten.bytes_max = options->max_mib ? options->max_mib << 20 : IMPORT_BYTES_MAX;
}

static int finish(const struct take_options *options, const struct pe_image *image, struct pe_error *err)
{
    return options->json ? command_print_json(pe_image_to_json(image), err) : 0;
}

int command_import(int argc, char **argv, struct pe_error *err)
{
    __attribute__((cleanup(free_options))) struct take_options options = {0};
    const struct pe_option table[] = {
        TAKE_OPTIONS(options),
        {"ref", 0, "NAME", "which image of a layout or archive with several", PE_OPTION_TEXT,
         &options.reference},
        STORE_OPTION(&options.store),
        {0},
    };
    const struct pe_program program = {
        .name = "pe-image import",
        .usage = "--name NAME:TAG [options] FILE|DIR|-",
        .about =
            "Take in an OCI layout (a directory), an oci-archive or docker-archive (as `docker save` writes\n"
            "it), or a root filesystem's tar (as `docker export` and mmdebstrap write it).",
        .options = table,
    };
    char home[PATH_MAX], name[PE_IMAGE_NAME_MAX + 8];
    int rest = 0;
    struct progress progress;
    pe_autoimage struct pe_image image = {0};
    pe_autojson json_t *about = json_object();
    struct import_options import = {.about = about};
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    if (rest + 1 != argc)
        return pe_fail(err, PE_ERR_INVALID,
                       "say one tar file or directory, or - for standard input; see %s --help", program.name);
    if (!options.name)
        return pe_fail(err, PE_ERR_INVALID, "--name is missing: what the image is called, as in gcc:14");
    if (full_name(options.name, name, err) < 0 || about_from_options(&options, name, about, err) < 0 ||
        command_default_store(&options.store, home, err) < 0)
        return -1;
    prepare(&options, &import, &progress);
    int failed = import_path(&import, argv[rest], &image, err);
    progress_end(&progress);
    return failed ? -1 : finish(&options, &image, err);
}

int command_pull(int argc, char **argv, struct pe_error *err)
{
    __attribute__((cleanup(free_options))) struct take_options options = {0};
    const struct pe_option table[] = {
        TAKE_OPTIONS(options),
        {"plain-http", 0, NULL, "a registry without TLS, or with a certificate nobody signed", PE_OPTION_FLAG,
         &options.plain_http},
        STORE_OPTION(&options.store),
        {0},
    };
    const struct pe_program program = {
        .name = "pe-image pull",
        .usage = "[options] TRANSPORT:IMAGE",
        .about =
            "Fetch an image with skopeo, as in `pe-image pull docker://gcc:14`, and take it in. Its name is\n"
            "that of the source without the registry, unless --name says another.",
        .options = table,
        .epilogue = "skopeo(1) lists the transports. Credentials are skopeo's: `skopeo login`.",
    };
    char home[PATH_MAX], name[PE_IMAGE_NAME_MAX + 8];
    int rest = 0;
    struct progress progress;
    pe_autoimage struct pe_image image = {0};
    pe_autojson json_t *about = json_object();
    struct import_options import = {.about = about};
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    if (rest + 1 != argc || !strchr(argv[rest], ':') || argv[rest][0] == '-')
        return pe_fail(err, PE_ERR_INVALID, "say one source, as in docker://gcc:14; see %s --help",
                       program.name);
    if ((options.name ? full_name(options.name, name, err) : pull_name(argv[rest], name, sizeof name, err)) <
            0 ||
        about_from_options(&options, name, about, err) < 0 ||
        command_default_store(&options.store, home, err) < 0)
        return -1;
    prepare(&options, &import, &progress);
    const struct pull_options pull = {argv[rest], import.choice.architecture, options.plain_http};
    int failed = import_pull(&import, &pull, &image, err);
    progress_end(&progress);
    return failed ? -1 : finish(&options, &image, err);
}
