/* SPDX-License-Identifier: Apache-2.0 */
/* Catalog entries: their JSON form, and the default command for given files. */
#include "proto/image.h"

#include "codec/glob.h"
#include "codec/sha256.h"
#include "proto/image_reference.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "proto/metadata.h"
#include "proto/path.h"

#include <stdlib.h>
#include <string.h>

void pe_strings_free(char **strings, size_t count)
{
    for (size_t i = 0; strings && i < count; i++)
        free(strings[i]);
    free(strings);
}

static int parse_text(const json_t *json, const char *field, bool required, char **out, struct pe_error *err)
{
    const json_t *value = json_object_get(json, field);
    if (!json_is_string(value) && (required || value))
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field '%s' must be a string", field);
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strlen(text) > PE_TEXT_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field '%s' is too long", field);
    *out = strdup(text);
    return *out ? 0 : pe_fail_errno(err, "catalog field '%s'", field);
}

static int parse_texts(const json_t *json, const char *field, size_t most, char ***out, size_t *count,
                       struct pe_error *err)
{
    const json_t *array = json_object_get(json, field);
    if (!array)
        return 0;
    size_t size = json_array_size(array);
    if (!json_is_array(array) || size > most)
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field '%s' must be an array of at most %zu strings",
                       field, most);
    *out = calloc(size + 1, sizeof **out);
    if (!*out)
        return pe_fail_errno(err, "catalog field '%s'", field);
    for (; *count < size; ++*count) {
        const char *text = json_string_value(json_array_get(array, *count));
        if (!text || strlen(text) > PE_TEXT_MAX)
            return pe_fail(err, PE_ERR_MALFORMED, "catalog field '%s' has an entry that is not a string",
                           field);
        if (!((*out)[*count] = strdup(text)))
            return pe_fail_errno(err, "catalog field '%s'", field);
    }
    return 0;
}

static bool is_assignment(const char *entry)
{
    return entry && *entry != '=' && strchr(entry, '=');
}

/* ---- decoding ---- */

static int parse_id(const json_t *value, const char *field, uint32_t *out, struct pe_error *err)
{
    json_int_t number = value ? json_integer_value(value) : 0;
    if ((value && !json_is_integer(value)) || number < 0 || number >= UINT32_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field '%s' must be a number of 32 bits", field);
    *out = (uint32_t)number;
    return 0;
}

static int parse_user(const json_t *json, struct pe_image_user *user, struct pe_error *err)
{
    const json_t *object = json_object_get(json, "user");
    const json_t *groups = json_object_get(object, "groups");
    if (object && !json_is_object(object))
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field 'user' must be an object");
    if (json_array_size(groups) > PE_IMAGE_GROUPS_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field 'user' has over %u groups", PE_IMAGE_GROUPS_MAX);
    if (parse_text(object, "name", false, &user->name, err) < 0 ||
        parse_id(json_object_get(object, "uid"), "user.uid", &user->uid, err) < 0 ||
        parse_id(json_object_get(object, "gid"), "user.gid", &user->gid, err) < 0)
        return -1;
    for (; user->group_count < json_array_size(groups); user->group_count++)
        if (parse_id(json_array_get(groups, user->group_count), "user.groups",
                     &user->groups[user->group_count], err) < 0)
            return -1;
    return 0;
}

static int parse_commands(const json_t *json, struct pe_image *image, struct pe_error *err)
{
    const json_t *array = json_object_get(json, "commands");
    if (array && (!json_is_array(array) || json_array_size(array) > PE_IMAGE_COMMANDS_MAX))
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field 'commands' must be an array of at most %u",
                       PE_IMAGE_COMMANDS_MAX);
    image->commands = calloc(json_array_size(array) + 1, sizeof *image->commands);
    if (!image->commands)
        return pe_fail_errno(err, "catalog field 'commands'");
    while (image->command_count < json_array_size(array)) {
        const json_t *object = json_array_get(array, image->command_count);
        struct pe_image_command *command = &image->commands[image->command_count++];
        if (parse_text(object, "files", true, &command->files, err) < 0 ||
            parse_texts(object, "cmd", PE_ARGS_MAX, &command->cmd, &command->cmd_count, err) < 0)
            return pe_fail_context(err, "catalog field 'commands'");
        if (command->cmd_count == 0)
            return pe_fail(err, PE_ERR_MALFORMED, "catalog field 'commands' has an entry without 'cmd'");
    }
    return 0;
}

/* A single name, since it becomes part of a path below the guest's rootfs. */
static bool is_directory(const char *path)
{
    return !path || !*path || (path[0] == '/' && strlen(path) <= PE_PATH_MAX && !strchr(path, '\n'));
}

static bool is_root(const char *root)
{
    return !*root || (strlen(root) <= 128 && root[0] != '.' && root[0] != '-' &&
                      strspn(root, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
                          strlen(root));
}

static int check(const struct pe_image *image, struct pe_error *err)
{
    if (!pe_image_reference_valid(image->name) || !strchr(image->name, ':') || strchr(image->name, '@'))
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field 'name' must be name:tag, not '%.200s'",
                       image->name);
    if (!pe_sha256_digest_valid(image->digest))
        return pe_fail(err, PE_ERR_MALFORMED,
                       "catalog field 'digest' must be sha256:<64 hex digits>, not '%.200s'", image->digest);
    if (!is_directory(image->working_dir))
        return pe_fail(
            err, PE_ERR_MALFORMED,
            "catalog field 'working_dir' must be an absolute path without a line break, not '%.200s'",
            image->working_dir);
    if (!is_root(image->root))
        return pe_fail(err, PE_ERR_MALFORMED, "catalog field 'root' must be one name, not '%.200s'",
                       image->root);
    for (size_t i = 0; i < image->env_count; i++)
        if (!is_assignment(image->env[i]))
            return pe_fail(err, PE_ERR_MALFORMED,
                           "catalog field 'env' has the entry '%.200s', which is not KEY=value",
                           image->env[i]);
    return 0;
}

int pe_image_from_json(const json_t *json, struct pe_image *image, struct pe_error *err)
{
    *image = (struct pe_image){0};
    if (parse_text(json, "name", true, &image->name, err) < 0 ||
        parse_text(json, "digest", true, &image->digest, err) < 0 ||
        parse_text(json, "description", false, &image->description, err) < 0 ||
        parse_text(json, "working_dir", false, &image->working_dir, err) < 0 ||
        parse_text(json, "root", false, &image->root, err) < 0 ||
        parse_text(json, "architecture", false, &image->architecture, err) < 0 ||
        parse_text(json, "stop_signal", false, &image->stop_signal, err) < 0 ||
        parse_texts(json, "default_cmd", PE_ARGS_MAX, &image->default_cmd, &image->default_cmd_count, err) <
            0 ||
        parse_texts(json, "entrypoint", PE_ARGS_MAX, &image->entrypoint, &image->entrypoint_count, err) < 0 ||
        parse_texts(json, "cmd", PE_ARGS_MAX, &image->cmd, &image->cmd_count, err) < 0 ||
        parse_texts(json, "warmup", PE_ARGS_MAX, &image->warmup, &image->warmup_count, err) < 0 ||
        parse_texts(json, "env", PE_ENV_MAX, &image->env, &image->env_count, err) < 0 ||
        parse_user(json, &image->user, err) < 0 || parse_commands(json, image, err) < 0 ||
        check(image, err) < 0)
        return -1;
    image->rootfs_bytes = (uint64_t)json_integer_value(json_object_get(json, "rootfs_bytes"));
    if (pe_metadata_count_patterns(json) > PE_PATTERNS_MAX)
        return pe_fail(err, PE_ERR_MALFORMED,
                       "catalog fields 'inputs' and 'commands' have over %u patterns, where one counts once "
                       "for each 64 bytes that it has begun",
                       PE_PATTERNS_MAX);
    return pe_metadata_parse(json, &image->metadata, err);
}

/* ---- encoding ---- */

static json_t *texts_to_json(char *const *texts, size_t count)
{
    pe_autojson json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, json_string(texts[i])) < 0)
            return NULL;
    return json_incref(array);
}

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

static json_t *user_to_json(const struct pe_image_user *user)
{
    pe_autojson json_t *groups = json_array();
    for (size_t i = 0; i < user->group_count; i++)
        if (json_array_append_new(groups, json_integer(user->groups[i])) < 0)
            return NULL;
    return json_pack("{s:s, s:I, s:I, s:O}", "name", text_or_empty(user->name), "uid", (json_int_t)user->uid,
                     "gid", (json_int_t)user->gid, "groups", groups);
}

static json_t *commands_to_json(const struct pe_image *image)
{
    pe_autojson json_t *array = json_array();
    for (size_t i = 0; i < image->command_count; i++) {
        const struct pe_image_command *command = &image->commands[i];
        json_t *object = json_pack("{s:s, s:o}", "files", command->files, "cmd",
                                   texts_to_json(command->cmd, command->cmd_count));
        if (json_array_append_new(array, object) < 0)
            return NULL;
    }
    return json_incref(array);
}

json_t *pe_image_to_json(const struct pe_image *image)
{
    pe_autojson json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:o}", "name", image->name,
        "digest", image->digest, "description", text_or_empty(image->description), "working_dir",
        text_or_empty(image->working_dir), "default_cmd",
        texts_to_json(image->default_cmd, image->default_cmd_count), "env",
        texts_to_json(image->env, image->env_count), "rootfs_bytes", (json_int_t)image->rootfs_bytes, "root",
        text_or_empty(image->root), "architecture", text_or_empty(image->architecture), "user",
        user_to_json(&image->user), "entrypoint", texts_to_json(image->entrypoint, image->entrypoint_count),
        "cmd", texts_to_json(image->cmd, image->cmd_count), "stop_signal", text_or_empty(image->stop_signal),
        "warmup", texts_to_json(image->warmup, image->warmup_count), "commands", commands_to_json(image));
    if (image->metadata && json_object_update(json, image->metadata) < 0)
        return NULL;
    return json_incref(json);
}

void pe_image_free(struct pe_image *image)
{
    free(image->name);
    free(image->digest);
    free(image->description);
    free(image->working_dir);
    free(image->root);
    free(image->architecture);
    free(image->stop_signal);
    free(image->user.name);
    pe_strings_free(image->default_cmd, image->default_cmd_count);
    pe_strings_free(image->env, image->env_count);
    pe_strings_free(image->entrypoint, image->entrypoint_count);
    pe_strings_free(image->cmd, image->cmd_count);
    pe_strings_free(image->warmup, image->warmup_count);
    for (size_t i = 0; i < image->command_count; i++) {
        free(image->commands[i].files);
        pe_strings_free(image->commands[i].cmd, image->commands[i].cmd_count);
    }
    free(image->commands);
    json_decref(image->metadata);
    *image = (struct pe_image){0};
}

/* ---- default commands ---- */

/* The glob of a "{files}" or "{files:GLOB}" argument in `glob` (at most PE_PATH_MAX bytes), or
 * false for any other argument. */
static bool placeholder_glob(const char *argument, char glob[PE_PATH_MAX + 1])
{
    size_t length = strlen(argument);
    if (!strcmp(argument, "{files}")) {
        strcpy(glob, "**");
        return true;
    }
    if (length < 9 || strncmp(argument, "{files:", 7) != 0 || argument[length - 1] != '}' ||
        length - 8 > PE_PATH_MAX)
        return false;
    memcpy(glob, argument + 7, length - 8);
    glob[length - 8] = '\0';
    return true;
}

struct expansion {
    const struct pe_image *image;
    const char *const *files;
    size_t file_count;
    char **arguments; /* room for all */
    size_t count;
};

static int append_argument(struct expansion *expansion, const char *argument, struct pe_error *err)
{
    expansion->arguments[expansion->count] = strdup(argument);
    return expansion->arguments[expansion->count] ? (++expansion->count, 0)
                                                  : pe_fail_errno(err, "default command");
}

static int append_options(struct expansion *expansion, struct pe_error *err)
{
    pe_autojson json_t *argv = pe_metadata_default_argv(expansion->image->metadata);
    if (!argv)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the options of a default command");
    for (size_t i = 0; i < json_array_size(argv); i++)
        if (append_argument(expansion, json_string_value(json_array_get(argv, i)), err) < 0)
            return -1;
    return 0;
}

static int expand_argument(struct expansion *expansion, const char *argument, struct pe_error *err)
{
    char glob[PE_PATH_MAX + 1], text[PE_PATH_ARGUMENT_SIZE];
    if (!strcmp(argument, "{options}"))
        return append_options(expansion, err);
    if (!placeholder_glob(argument, glob))
        return append_argument(expansion, argument, err);
    size_t before = expansion->count;
    for (size_t i = 0; i < expansion->file_count; i++)
        if (pe_glob_match(glob, expansion->files[i]) &&
            append_argument(expansion, pe_path_as_argument(expansion->files[i], text), err) < 0)
            return -1;
    if (expansion->count == before)
        return pe_fail(err, PE_ERR_INVALID,
                       "the image's default command needs a file matching '%s': send one, or give a command",
                       glob);
    return 0;
}

/* The first command that matches one of the files, otherwise the default one. */
static char *const *choose_command(const struct pe_image *image, const char *const *files, size_t file_count,
                                   size_t *count)
{
    for (size_t i = 0; i < image->command_count; i++)
        for (size_t k = 0; k < file_count; k++)
            if (pe_glob_match(image->commands[i].files, files[k])) {
                *count = image->commands[i].cmd_count;
                return image->commands[i].cmd;
            }
    *count = image->default_cmd_count;
    return image->default_cmd;
}

const char *pe_image_default_directory(const struct pe_image *image, const char *const *files,
                                       size_t file_count)
{
    char glob[PE_PATH_MAX + 1];
    size_t count = 0;
    char *const *chosen = choose_command(image, files, file_count, &count);
    bool fits = chosen == image->default_cmd && image->working_dir && *image->working_dir;
    for (size_t i = 0; fits && i < count; i++)
        fits = !placeholder_glob(chosen[i], glob);
    return fits ? image->working_dir : "/work";
}

int pe_image_default_command(const struct pe_image *image, const char *const *files, size_t file_count,
                             char ***cmd, size_t *cmd_count, struct pe_error *err)
{
    size_t argument_count = 0;
    char *const *chosen = choose_command(image, files, file_count, &argument_count);
    if (argument_count == 0)
        return pe_fail(err, PE_ERR_INVALID, "image %s has no default command%s: give one", image->name,
                       image->command_count ? " for these files" : "");
    /* Each argument remains itself, or becomes all files or all options: an upper bound for the
     * list. */
    size_t most = file_count > PE_METADATA_ARGV_MAX ? file_count : PE_METADATA_ARGV_MAX;
    struct expansion expansion = {image, files, file_count,
                                  calloc(argument_count * (most + 1) + 1, sizeof(char *)), 0};
    if (!expansion.arguments)
        return pe_fail_errno(err, "default command");
    for (size_t i = 0; i < argument_count; i++)
        if (expand_argument(&expansion, chosen[i], err) < 0) {
            pe_strings_free(expansion.arguments, expansion.count);
            return -1;
        }
    *cmd = expansion.arguments;
    *cmd_count = expansion.count;
    return 0;
}
