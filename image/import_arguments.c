/* SPDX-License-Identifier: Apache-2.0 */
/* Options of `import` and `pull`. The subcommands themselves are in command_import.c and
 * command_pull.c, the work is done in import.c. */
#include "image/import_arguments.h"

#include "base/cleanup.h"
#include "image/catalog_entry.h"
#include "image/placeholders.h"
#include "image/squashfs_compressor.h"
#include "proto/job_spec.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

#define OWN_OPTIONS_MAX 4
#define COMMON_OPTIONS 12
#define FULL_NAME_MAX (PE_IMAGE_NAME_MAX + 8)

int import_arguments_parse(struct import_arguments *arguments, const struct pe_program *program, int argc,
                           char **argv, int *rest, struct pe_error *err)
{
    *arguments = (struct import_arguments){0};
    struct pe_option table[COMMON_OPTIONS + OWN_OPTIONS_MAX + 1] = {
        {"name", 'n', "NAME:TAG", "name of the image in the catalog", PE_OPTION_TEXT, &arguments->name},
        {"arch", 0, "ARCH", "which image of several, as in arm64 or amd64/v2 (default: this machine's best)",
         PE_OPTION_TEXT, &arguments->architecture},
        {"meta", 0, "FILE", "metadata for the catalog, a pe.json file", PE_OPTION_TEXT, &arguments->metadata},
        IMPORT_FIELD_OPTIONS(*arguments),
        {"devices", 0, NULL, "keep device nodes, FIFOs and sockets outside of /dev", PE_OPTION_FLAG,
         &arguments->devices},
        COMMAND_COMPRESS_OPTION(arguments->compressor),
        COMMAND_MAX_MIB_OPTION(arguments->max_mib, "refuse an image that unpacks to more (default: 32768)"),
        COMMAND_JSON_OPTION(arguments->json),
        COMMAND_STORE_OPTION(arguments->store),
    };
    for (size_t i = 0; i < OWN_OPTIONS_MAX && program->options[i].name; i++)
        table[COMMON_OPTIONS + i] = program->options[i];
    struct pe_program complete = *program;
    complete.options = table;
    return command_parse(&complete, argc, argv, &arguments->store, rest, err);
}

/* ---- the fields of the catalog entry ---- */

static json_t *parse_command(const char *text, struct pe_error *err)
{
    json_error_t where;
    json_t *command = json_loads(text, 0, &where);
    if (!json_is_array(command)) {
        json_decref(command);
        pe_fail(err, PE_ERR_INVALID,
                "--cmd takes a JSON array of strings, as in [\"sh\", \"-c\", \"date\"], not '%s'", text);
        return NULL;
    }
    return command;
}

static json_t *env_to_json(const struct pe_option_list *list)
{
    pe_autojson json_t *env = json_array();
    for (size_t i = 0; i < list->count; i++)
        if (json_array_append_new(env, json_string(list->items[i])) < 0)
            return NULL;
    return json_incref(env);
}

static int set_text(json_t *fields, const char *field, const char *text, struct pe_error *err)
{
    if (!text || json_object_set_new(fields, field, json_string(text)) == 0)
        return 0;
    return pe_fail(err, PE_ERR_INVALID, "the value for '%s' on the command line is not valid UTF-8", field);
}

/* Check what is known of the catalog entry so far. A digest is required, so a placeholder stands
 * for it. */
static int check_fields(const json_t *fields, const char *name, struct pe_error *err)
{
    static const char placeholder[] =
        "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    pe_autojson json_t *copy = json_copy((json_t *)fields);
    pe_autoimage struct pe_image image = {0};
    if (!copy || json_object_set_new(copy, "digest", json_string(placeholder)) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    if (pe_image_from_json(copy, &image, err) == 0)
        return 0;
    pe_fail_context(err, "cannot make a catalog entry for image '%s'", name);
    err->kind = PE_ERR_INVALID;
    return -1;
}

int import_arguments_fields(const struct import_arguments *arguments, const char *name, json_t *fields,
                            struct pe_error *err)
{
    if (arguments->metadata && catalog_entry_add_user_file(fields, arguments->metadata, err) < 0)
        return -1;
    if (arguments->command) {
        json_t *command = parse_command(arguments->command, err);
        if (!command)
            return -1;
        if (json_object_set_new(fields, "default_cmd", command) < 0)
            return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    }
    if (arguments->env.count && json_object_set_new(fields, "env", env_to_json(&arguments->env)) < 0)
        return pe_fail(err, PE_ERR_INVALID, "a value of --env is not valid UTF-8");
    if (set_text(fields, "name", name, err) < 0 ||
        set_text(fields, "description", arguments->description, err) < 0 ||
        set_text(fields, "working_dir", arguments->working_dir, err) < 0)
        return -1;
    return placeholders_check(fields, err) < 0 ? -1 : check_fields(fields, name, err);
}

/* ---- resolving ---- */

int import_arguments_resolve(struct import_arguments *arguments, const char *name, struct pe_error *err)
{
    char full_name[FULL_NAME_MAX];
    int n = snprintf(full_name, sizeof full_name, "%s%s", name, strchr(name, ':') ? "" : ":latest");
    if (n < 0 || (size_t)n >= sizeof full_name)
        return pe_fail(err, PE_ERR_INVALID, "the image's name is longer than %u bytes: '%.60s...'",
                       PE_IMAGE_NAME_MAX, name);
    arguments->import.overrides = json_object();
    if (!arguments->import.overrides)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    if (import_arguments_fields(arguments, full_name, arguments->import.overrides, err) < 0)
        return -1;
    if (arguments->compressor &&
        squashfs_compressor_parse(arguments->compressor, &arguments->import.flatten.compressor, err) < 0)
        return -1;
    if (platform_parse(arguments->architecture, &arguments->import.choice.machine, err) < 0)
        return -1;
    arguments->import.choice.reference = arguments->reference;
    progress_init(&arguments->progress, arguments->json);
    arguments->import.progress = &arguments->progress;
    arguments->import.store = arguments->store.path;
    arguments->import.flatten.keep_devices = arguments->devices;
    arguments->import.flatten.bytes_max = command_bytes_max(arguments->max_mib);
    return 0;
}

int import_arguments_print(const struct import_arguments *arguments, const struct pe_image *image,
                           struct pe_error *err)
{
    return arguments->json ? command_print_json(pe_image_to_json(image), err) : 0;
}

void import_arguments_free(struct import_arguments *arguments)
{
    progress_end(&arguments->progress);
    pe_option_list_free(&arguments->env);
    json_decref(arguments->import.overrides);
    arguments->import.overrides = NULL;
}
