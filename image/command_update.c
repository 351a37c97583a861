/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image update: change the catalog entry of an image without importing it again. */
#include "base/cleanup.h"
#include "image/command.h"
#include "image/import_arguments.h"
#include "image/store_writer.h"
#include "proto/job_spec.h"
#include "store/store.h"

#include <string.h>

/* Remove what a metadata file replaces as a whole. The command, environment and working directory of
 * the image stay, unless the file has others. */
static void remove_metadata(json_t *fields)
{
    static const char *const names[] = {"description", "categories", "inputs", "outputs", "examples",
                                        "options",     "piston",     "warmup", "commands"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        json_object_del(fields, names[i]);
}

static const char *find_home(const json_t *env)
{
    size_t i = 0;
    const json_t *entry = NULL;
    json_array_foreach(env, i, entry)
    {
        if (json_is_string(entry) && !strncmp(json_string_value(entry), "HOME=", 5))
            return json_string_value(entry);
    }
    return NULL;
}

/* HOME follows from the image's user, so a new environment without one keeps it. */
static int keep_home(const json_t *before, json_t *fields, struct pe_error *err)
{
    const char *home = find_home(json_object_get(before, "env"));
    json_t *env = json_object_get(fields, "env");
    if (!home || find_home(env))
        return 0;
    return json_array_append_new(env, json_string(home)) == 0
               ? 0
               : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

static int change(const struct import_arguments *arguments, const struct pe_image *image,
                  struct pe_image *changed, struct pe_error *err)
{
    pe_autojson json_t *before = pe_image_to_json(image), *fields = json_copy(before),
                       *options = json_object();
    if (!fields || !options)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    if (import_arguments_fields(arguments, image->name, options, err) < 0)
        return -1;
    if (arguments->metadata)
        remove_metadata(fields);
    if (json_object_get(options, "default_cmd"))
        json_object_del(fields, "working_dir"); /* it belongs to the command */
    if (json_object_update(fields, options) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    return keep_home(before, fields, err) < 0 ? -1 : pe_image_from_json(fields, changed, err);
}

int command_update(int argc, char **argv, struct pe_error *err)
{
    pe_autoimportarguments struct import_arguments arguments = {0};
    const struct pe_option options[] = {
        {"meta", 0, "FILE", "metadata for the catalog, a pe.json file, in place of the present one",
         PE_OPTION_TEXT, &arguments.metadata},
        IMPORT_FIELD_OPTIONS(arguments),
        COMMAND_JSON_OPTION(arguments.json),
        COMMAND_STORE_OPTION(arguments.store),
        {0}};
    const struct pe_program program = {
        .name = "pe-image update",
        .usage = "[options] NAME:TAG",
        .about = "Change the catalog entry of an image. Its files stay as they are. Fields that no option\n"
                 "names stay, too.",
        .options = options};
    int rest = 0;
    pe_autostoreimages struct pe_store_images images = {0};
    pe_autoimage struct pe_image changed = {0};
    if (command_parse(&program, argc, argv, &arguments.store, &rest, err) < 0)
        return -1;
    if (rest + 1 != argc)
        return pe_fail(err, PE_ERR_INVALID, "expected one image, as in gcc:14; see %s --help", program.name);
    if (pe_store_list(arguments.store.path, &images, err) < 0)
        return -1;
    const struct pe_image *image = pe_store_find(&images, argv[rest], err);
    if (!image || change(&arguments, image, &changed, err) < 0 ||
        store_add_name(arguments.store.path, &changed, err) < 0)
        return -1;
    return import_arguments_print(&arguments, &changed, err);
}
